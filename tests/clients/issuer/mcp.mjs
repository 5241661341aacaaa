// A resource server as a program calls it: tokens by client credentials, proofs of possession, and one request at a time.

import { createHash, randomUUID } from 'node:crypto';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { expect } from '../steps.mjs';

const VERSION = '2026-07-28';

/** A token of the issuer, and when it ends. `proof` binds it. */
export async function token(issuer, client, { scope = 'mcp:tools', resource = issuer.resource, key } = {}) {
  const url = `${issuer.url}/token`;
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope });
  if (resource) form.set('resource', resource);
  const headers = { authorization: `Basic ${Buffer.from(`${client}:${client}`).toString('base64')}` };
  if (key) headers.dpop = await key.proof('POST', url);
  const answer = await fetch(url, { method: 'POST', headers, body: form });
  const said = await answer.json();
  expect(answer.status === 200, `the issuer answered ${answer.status}: ${JSON.stringify(said)}`);
  return { text: said.access_token, type: said.token_type, until: Date.now() + said.expires_in * 1000 };
}

/** A key of a client, and its proofs (RFC 9449 §4.2). */
export class Key {
  static async make() {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    return Object.assign(new Key(), { secret: privateKey, jwk: await exportJWK(publicKey) });
  }

  proof(method, url, token) {
    const claims = { htm: method, htu: url, jti: randomUUID() };
    if (token) claims.ath = createHash('sha256').update(token).digest('base64url');
    return new SignJWT(claims)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk })
      .setIssuedAt()
      .sign(this.secret);
  }
}

/** One request; answers its status, challenge and text. */
export async function ask(url, authorization, { dpop, method = 'tools/list', params = {} } = {}) {
  const headers = {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': VERSION,
    'mcp-method': method,
    ...(params.name && { 'mcp-name': params.name }),
    ...(authorization && { authorization }),
    ...(dpop && { dpop }),
  };
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientInfo': { name: 'issuer', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } });
  const answer = await fetch(url, { method: 'POST', headers, body });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', text: await answer.text() };
}
