// The client that sends a person to the pages: registers itself, listens for its callback, redeems the code.

import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';

export class Client {
  static async register(origin, name) {
    const client = new Client();
    client.origin = origin;
    await client.#listen();
    const answer = await fetch(new URL('/register', origin), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: name,
        redirect_uris: [client.redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      }),
    });
    if (answer.status !== 201) throw new Error(`registration answered ${answer.status}: ${await answer.text()}`);
    client.id = (await answer.json()).client_id;
    return client;
  }

  /** A fresh authorization URL. */
  begin(resource, scope, changed = {}) {
    this.verifier = randomBytes(32).toString('base64url');
    this.state = randomBytes(12).toString('base64url');
    const url = new URL('/authorize', this.origin);
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.id,
      redirect_uri: this.redirectUri,
      state: this.state,
      scope,
      resource,
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...changed,
    });
    this.arrived = new Promise((resolve) => (this.arrive = resolve));
    return url.href;
  }

  /** The callback's parameters, once the browser is there. */
  async callback() {
    const parameters = await this.arrived;
    if (parameters.get('state') !== this.state) throw new Error('the callback carries another state');
    if (parameters.get('iss') !== this.origin) throw new Error(`the callback carries iss ${parameters.get('iss')}`);
    return parameters;
  }

  /** Answers the token response for `code`. */
  async redeem(code, resource) {
    const answer = await fetch(new URL('/token', this.origin), {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: this.id,
        redirect_uri: this.redirectUri,
        code,
        code_verifier: this.verifier,
        resource,
      }),
    });
    if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  async #listen() {
    this.server = http.createServer((request, response) => {
      const url = new URL(request.url, 'http://127.0.0.1');
      response.setHeader('content-type', 'text/html');
      if (url.pathname !== '/callback') return response.writeHead(404).end();
      response.end(
        '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Back in the app</title><h1>Done</h1>',
      );
      this.arrive(url.searchParams);
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.redirectUri = `http://127.0.0.1:${this.server.address().port}/callback`;
  }
}
