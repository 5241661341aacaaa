// `@modelcontextprotocol/client` 2.x: checks `iss`, asks for the union of scopes at a 403, speaks both lifecycles.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { run } from './flow.mjs';

await run({
  name: 'typescript-client-2.x',
  protocols: ['2025-11-25', '2025-06-18', '2025-03-26', '2026-07-28'],
  unauthorized: (error) => error instanceof UnauthorizedError,
  refreshesInParallel: true,
  refreshesBeforeStepUp: false,
  open: async (url, provider, wire, protocol) => {
    const transport = new StreamableHTTPClientTransport(url, { authProvider: provider, fetch: wire.fetch });
    const client = new Client(
      { name: 'typescript-client-2.x', version: '1.0.0' },
      {
        versionNegotiation: { mode: protocol >= '2026-07-28' ? { pin: protocol } : 'legacy' },
        ...(protocol < '2026-07-28' && { supportedProtocolVersions: [protocol] }),
      },
    );
    return {
      client,
      connect: () => client.connect(transport),
      finish: (parameters) => transport.finishAuth(parameters),
      protocol: () => client.getNegotiatedProtocolVersion(),
      close: async () => {
        if (protocol < '2026-07-28') await transport.terminateSession();
        await client.close();
      },
    };
  },
});
