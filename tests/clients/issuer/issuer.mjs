// `oidc-provider`, an issuer that is not of this family, with signed access tokens and keys that can be changed while it runs.

import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

/** A private key for `alg`, as the issuer keeps it. */
export async function makeKey(alg, kid) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, kid, use: 'sig' };
}

export class Issuer {
  /**
   * @param {number} port where it listens, on loopback
   * @param {string} resource the one resource that it knows beside `OTHER`
   * @param {Record<string, { seconds: number, bound?: boolean }>} clients by their names, which are their secrets too
   */
  constructor(port, resource, clients) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.resource = resource;
    this.clients = clients;
    /** How often somebody fetched the keys. */
    this.fetches = 0;
  }

  /** Publishes these keys and signs with the one of this name. Whoever is being served is served to the end. */
  use(keys, kid) {
    const signer = keys.find((key) => key.kid === kid);
    const provider = new Provider(this.url, {
      jwks: { keys },
      ttl: { ClientCredentials: 60 },
      scopes: ['mcp:tools', 'mcp:resources', 'mcp:admin'],
      clients: Object.entries(this.clients).map(([name, { bound }]) => ({
        client_id: name,
        client_secret: name,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: signer.alg,
        dpop_bound_access_tokens: bound ?? false,
      })),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_, resource, client) => ({
            audience: resource,
            scope: 'mcp:tools mcp:resources mcp:admin',
            accessTokenFormat: 'jwt',
            accessTokenTTL: this.clients[client.clientId].seconds,
            jwt: { sign: { alg: signer.alg, kid } },
          }),
        },
      },
    });
    this.answer = provider.callback();
  }

  async listen() {
    this.server = http.createServer((request, response) => {
      if (request.url === '/jwks') this.fetches += 1;
      this.answer(request, response);
    });
    await new Promise((resolve, reject) => {
      this.server.on('error', reject).listen(this.port, '127.0.0.1', resolve);
    });
  }

  close() {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
