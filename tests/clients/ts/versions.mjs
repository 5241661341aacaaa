// Every protocol revision from 2025-03-26 on, spoken by hand: each request is judged by itself, in both lifecycles (EXT-6, RS-36, RS-81, RS-82, RS-83).
//
// The sign-ins are the SDK's. Its clients hide what a revision does not have: batches, a missing version header, a session of somebody else.

import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { ScriptedBrowser } from '../scripted-browser.mjs';
import { Steps, expect, required } from '../steps.mjs';
import { Provider } from './provider.mjs';
import { Wire } from './wire.mjs';

const url = new URL(required('MCP_URL'));
const steps = new Steps(`every protocol revision, by hand, against ${url}`);
const wire = new Wire();

/** What a token of basic use opens, and what it does not, by a rule. */
const KNOWN = {
  notes: { call: { name: 'list_notes', arguments: {} }, forbidden: { name: 'delete_note', arguments: { id: 1 } } },
  calculator: { cut: true, call: { name: 'add', arguments: { a: 41, b: 1 } } },
  tools: { cut: true, call: { name: 'whoami', arguments: {} }, forbidden: { name: 'restart', arguments: {} } },
}[required('SERVER')];

async function signIn(name) {
  const provider = new Provider(new ScriptedBrowser(required('PASSPHRASE'), steps.say), name);
  const options = { serverUrl: url, fetchFn: wire.fetch };
  expect((await auth(provider, options)) === 'REDIRECT', 'it was not sent to sign in');
  const code = provider.takeCallback().get('code');
  expect((await auth(provider, { ...options, authorizationCode: code })) === 'AUTHORIZED', 'no tokens');
  return provider.held.access_token;
}

/** One request as a client of `version` sends it. */
async function send(version, { method = 'POST', token, session, message, headers = {} }) {
  const isModern = version >= '2026-07-28';
  const answer = await fetch(url, {
    method,
    headers: {
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      ...(message && { 'content-type': 'application/json' }),
      // 2025-03-26 has no such header.
      ...(version > '2025-03-26' && { 'mcp-protocol-version': version }),
      ...(isModern && message && { 'mcp-method': message.method }),
      ...(isModern && message?.params?.name && { 'mcp-name': message.params.name }),
      ...(session && { 'mcp-session-id': session }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: message && JSON.stringify(message),
    signal: AbortSignal.timeout(20_000),
  });
  // A stream that the server keeps open is not waited for.
  const isOpen = method === 'GET' && answer.ok;
  const text = isOpen ? '' : await answer.text();
  if (isOpen) await answer.body.cancel();
  return { status: answer.status, text, challenge: answer.headers.get('www-authenticate') ?? '', headers: answer.headers };
}

const request = (method, params, id = 1) => ({ jsonrpc: '2.0', id, method, ...(params && { params }) });

const modern = (version, method, params = {}) =>
  request(method, {
    ...params,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  });

const initialize = (version) =>
  request('initialize', { protocolVersion: version, capabilities: {}, clientInfo: { name: 'by-hand', version: '1' } });

function isChallenged(answer, what) {
  expect(answer.status === 401, `${what}: ${answer.status}`);
  expect(answer.challenge.startsWith('Bearer '), `${what}: ${answer.challenge}`);
  expect(answer.challenge.includes('resource_metadata="http'), `${what}: ${answer.challenge}`);
}

let token;
let stranger;
await steps.step('two clients sign in', async () => {
  token = await signIn('by-hand');
  stranger = await signIn('by-hand-too');
  expect(token !== stranger, 'both have one token');
});

for (const version of ['2025-03-26', '2025-06-18', '2025-11-25']) {
  await steps.step(`${version}: nothing goes without a token, and a bad one is 401`, async () => {
    for (const method of ['POST', 'GET', 'DELETE']) {
      const message = method === 'POST' ? initialize(version) : undefined;
      isChallenged(await send(version, { method, message }), `${method} without a token`);
      const bad = await send(version, { method, message, token: `${token.slice(0, -4)}AAAA` });
      isChallenged(bad, `${method} with a bad one`);
      expect(bad.challenge.includes('error="invalid_token"'), bad.challenge);
    }
  });

  let session;
  await steps.step(`${version}: initialize, list, call`, async () => {
    const opened = await send(version, { message: initialize(version), token });
    expect(opened.status === 200, `initialize: ${opened.status} ${opened.text}`);
    expect(opened.text.includes(`"protocolVersion":"${version}"`), `another version: ${opened.text}`);
    session = opened.headers.get('mcp-session-id') ?? undefined;
    const noted = await send(version, { message: { jsonrpc: '2.0', method: 'notifications/initialized' }, token, session });
    expect(noted.status === 202, `notifications/initialized: ${noted.status} ${noted.text}`);
    const listed = await send(version, { message: request('tools/list', {}, 2), token, session });
    expect(listed.status === 200 && listed.text.includes(KNOWN.call.name), `${listed.status} ${listed.text}`);
    const called = await send(version, { message: request('tools/call', KNOWN.call, 3), token, session });
    expect(called.status === 200 && called.text.includes('"result"'), `${called.status} ${called.text}`);
    steps.say(session ? 'with a session' : 'without a session');
  });

  if (session) {
    await steps.step(`${version}: the session is of who opened it, and no credential`, async () => {
      const message = request('tools/list', {}, 4);
      isChallenged(await send(version, { message, session }), 'a session without a token');
      for (const method of ['POST', 'GET', 'DELETE']) {
        const body = method === 'POST' ? message : undefined;
        const taken = await send(version, { method, message: body, session, token: stranger });
        expect(taken.status === 404, `${method} by another client: ${taken.status}`);
      }
      const stream = await send(version, { method: 'GET', session, token });
      expect(stream.status === 200, `its stream: ${stream.status}`);
    });
  }

  if (KNOWN.forbidden) {
    await steps.step(`${version}: what needs more is 403 with a challenge`, async () => {
      const refused = await send(version, { message: request('tools/call', KNOWN.forbidden, 5), token, session });
      expect(refused.status === 403, `${refused.status} ${refused.text}`);
      expect(refused.challenge.includes('error="insufficient_scope"'), refused.challenge);
    });
  }

  await steps.step(`${version}: a batch is judged element by element`, async () => {
    const good = request('tools/call', KNOWN.call, 6);
    const allowed = await send(version, { message: [good, { ...good, id: 7 }], token, session });
    // Whether the server serves batches at all is its own affair; it is not for the token to say.
    expect(![401, 403].includes(allowed.status), `a good batch: ${allowed.status} ${allowed.challenge}`);
    if (!KNOWN.forbidden) return;
    const mixed = await send(version, { message: [good, request('tools/call', KNOWN.forbidden, 7)], token, session });
    expect(mixed.status === 403, `a mixed batch: ${mixed.status}`);
  });

  if (session) {
    await steps.step(`${version}: the session ends`, async () => {
      const ended = await send(version, { method: 'DELETE', session, token });
      expect(ended.status >= 200 && ended.status < 300, `${ended.status} ${ended.text}`);
    });
  }
}

const version = '2026-07-28';
await steps.step(`${version}: each request stands by itself`, async () => {
  isChallenged(await send(version, { message: modern(version, 'tools/list') }), 'without a token');
  const found = await send(version, { message: modern(version, 'server/discover'), token });
  expect(found.status === 200 && found.text.includes(version), `server/discover: ${found.status} ${found.text}`);
  const listed = await send(version, { message: modern(version, 'tools/list'), token });
  expect(listed.status === 200 && listed.text.includes(KNOWN.call.name), `${listed.status} ${listed.text}`);
  // Where lists are cut to who asks, nobody may keep them.
  expect(!KNOWN.cut || /no-store|private/.test(listed.headers.get('cache-control') ?? ''), 'the list may be kept on the way');
  const called = await send(version, { message: modern(version, 'tools/call', KNOWN.call), token });
  expect(called.status === 200 && called.text.includes('"result"'), `${called.status} ${called.text}`);
});

await steps.step(`${version}: what headers and body say must agree, once the caller is known`, async () => {
  const message = modern(version, 'tools/call', KNOWN.forbidden ?? KNOWN.call);
  const headers = { 'mcp-name': 'something_else' };
  isChallenged(await send(version, { message, headers }), 'a stranger');
  const differs = await send(version, { message, headers, token });
  expect(differs.status === 400 && differs.text.includes('-32020'), `${differs.status} ${differs.text}`);
});
steps.end();
