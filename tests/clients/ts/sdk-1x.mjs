// `@modelcontextprotocol/sdk` 1.x, the package most hosts in the field still have.

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { run } from './flow.mjs';

await run({
  name: 'typescript-sdk-1.x',
  protocols: ['2025-11-25'],
  unauthorized: (error) => error instanceof UnauthorizedError,
  // One flag for the whole transport tells it that it has just signed in: a second 401 beside the first is an error.
  refreshesInParallel: false,
  // It answers a 403 with a refresh and gives up at the second 403; without a refresh token it asks the user.
  refreshesBeforeStepUp: true,
  open: async (url, provider, wire) => {
    const transport = new StreamableHTTPClientTransport(url, { authProvider: provider, fetch: wire.fetch });
    const client = new Client({ name: 'typescript-sdk-1.x', version: '1.0.0' });
    return {
      client,
      connect: () => client.connect(transport),
      finish: (parameters) => transport.finishAuth(parameters.get('code')),
      protocol: () => transport.protocolVersion,
      close: async () => {
        await transport.terminateSession();
        await client.close();
      },
    };
  },
});
