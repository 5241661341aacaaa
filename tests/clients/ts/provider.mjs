// What a host keeps for one server, in memory: the registration, the tokens, the PKCE verifier.
// Both generations of the SDK take the same interface.

import { randomUUID } from 'node:crypto';

export class Provider {
  redirectUrl = 'http://127.0.0.1:33418/oauth/callback';

  constructor(browser, name) {
    this.browser = browser;
    this.name = name;
  }

  get clientMetadata() {
    return {
      client_name: this.name,
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    this.lastState = randomUUID();
    return this.lastState;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.held;
  }

  saveTokens(tokens) {
    this.held = tokens;
  }

  async redirectToAuthorization(url) {
    this.authorizationUrl = url;
    this.callback = await this.browser.authorize(url, this.redirectUrl);
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveDiscoveryState(state) {
    this.discovered = state;
  }

  discoveryState() {
    return this.discovered;
  }

  invalidateCredentials(scope) {
    this.invalidated = [...(this.invalidated ?? []), scope];
    if (scope === 'all' || scope === 'client') this.client = undefined;
    if (scope === 'all' || scope === 'tokens') this.held = undefined;
    if (scope === 'all' || scope === 'verifier') this.verifier = undefined;
  }

  /** The callback's parameters, after the state in it was compared with the one sent. */
  takeCallback() {
    const parameters = this.callback.searchParams;
    if (parameters.get('state') !== this.lastState) throw new Error('the callback carries another state');
    if (parameters.get('error')) throw new Error(`the callback carries ${parameters.get('error')}`);
    return parameters;
  }
}
