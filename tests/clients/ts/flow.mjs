// The whole path of one client, the same for every generation of the SDK:
// challenge, discovery, registration, sign-in, consent, tool call, refresh, tool call, step-up.

import { ScriptedBrowser } from '../scripted-browser.mjs';
import { Steps, expect, required } from '../steps.mjs';
import { Provider } from './provider.mjs';
import { server } from './servers.mjs';
import { Wire } from './wire.mjs';

/**
 * @param {object} sdk
 * @param {string} sdk.name
 * @param {string[]} sdk.protocols the revisions to speak, the first with the sign-in
 * @param {(url: URL, provider: Provider, wire: Wire, protocol: string) => Promise<any>} sdk.open
 *   makes an unconnected `{ connect, finish, client, protocol }`
 * @param {(error: unknown) => boolean} sdk.unauthorized
 * @param {boolean} sdk.refreshesInParallel whether several calls may be refused at once
 * @param {boolean} sdk.refreshesBeforeStepUp whether a 403 makes it refresh, which cannot widen a grant
 */
export async function run(sdk) {
  const url = new URL(required('MCP_URL'));
  const steps = new Steps(`${sdk.name} against ${url}`);
  const wire = new Wire();
  let wide = false;
  const provider = new Provider(new ScriptedBrowser(required('PASSPHRASE'), steps.say), sdk.name);
  let session;

  await steps.step('the first request is refused, discovered, registered, signed in and agreed to', async () => {
    session = await sdk.open(url, provider, wire, sdk.protocols[0]);
    const refused = await session.connect().then(
      () => undefined,
      (error) => error,
    );
    expect(refused && sdk.unauthorized(refused), `expected to be sent to sign in, got ${refused?.stack}`);
    expect(wire.saw('POST', url.pathname, 401), `no 401: ${wire}`);
    expect(wire.saw('GET', /oauth-protected-resource/, 200), `no resource metadata: ${wire}`);
    expect(wire.saw('GET', /oauth-authorization-server|openid-configuration/, 200), `no server metadata: ${wire}`);
    expect(wire.saw('POST', '/register', 201), `no registration: ${wire}`);
    expect(provider.client?.client_id, 'the registration was not kept');
  });

  await steps.step('the code becomes tokens', async () => {
    wire.forget();
    await session.finish(provider.takeCallback());
    expect(wire.saw('POST', '/token', 200, 'authorization_code'), `no code grant: ${wire}`);
    expect(provider.held.refresh_token, 'no refresh token');
    steps.say(`granted ${provider.held.scope}, expires in ${provider.held.expires_in} s`);
  });

  for (const [turn, protocol] of sdk.protocols.entries()) {
    const note = `${sdk.name} was here (${protocol}, ${process.pid})`;
    let made;

    await steps.step(`${protocol}: connects and lists the tools`, async () => {
      session = await sdk.open(url, provider, wire, protocol);
      await session.connect();
      expect(session.protocol() === protocol, `speaks ${session.protocol()}, not ${protocol}`);
      const { tools } = await session.client.listTools();
      const names = tools.map((tool) => tool.name).sort();
      expect(names.join() === server.tools(wide).join(), `tools ${names}`);
    });

    await steps.step(`${protocol}: a tool call`, async () => {
      made = await server.first(session.client, note);
    });

    await steps.step(`${protocol}: a refused access token is refreshed and the call goes through`, async () => {
      wire.forget();
      const before = provider.held;
      provider.held = { ...before, access_token: `${before.access_token.slice(0, -4)}AAAA` };
      await server.again(session.client, made);
      expect(wire.saw('POST', url.pathname, 401), `the spoilt token was taken: ${wire}`);
      expect(wire.saw('POST', '/token', 200, 'refresh_token'), `no refresh: ${wire}`);
      expect(provider.held.access_token !== before.access_token, 'the access token is the old one');
      expect(provider.held.refresh_token !== before.refresh_token, 'the refresh token was not rotated');
    });

    if (sdk.refreshesInParallel) {
      await steps.step(`${protocol}: calls at once that refresh at once end up with the same tokens`, async () => {
        wire.forget();
        const { access_token: token, ...rest } = provider.held;
        provider.held = { ...rest, access_token: `${token.slice(0, -4)}AAAA` };
        const again = () => server.again(session.client, made);
        await Promise.all([again(), again(), again(), again()]);
        const replies = wire.seen.filter((entry) => entry.tokens).map((entry) => entry.tokens.refresh_token);
        expect(new Set(replies).size === 1, `${replies.length} refreshes gave ${new Set(replies).size} tokens: ${wire}`);
        steps.say(`${replies.length} refreshes, one token`);
      });
    }

    if (turn === 0) {
      await steps.step(`${protocol}: ${server.more} is refused until the user agrees to more`, async () => {
        wire.forget();
        const { refresh_token: kept, ...rest } = provider.held;
        if (sdk.refreshesBeforeStepUp) provider.held = rest;
        const call = () => server.call(session.client, made);
        const refused = await call().then(
          () => undefined,
          (error) => error,
        );
        expect(refused && sdk.unauthorized(refused), `expected a step-up, got ${refused?.stack ?? 'success'}`);
        const challenge = wire.seen.find((entry) => entry.status === 403)?.challenge;
        expect(challenge?.includes('insufficient_scope'), `no 403 challenge: ${wire}`);
        steps.say(challenge);
        steps.say(`asks for ${provider.authorizationUrl.searchParams.get('scope')}`);
        await session.finish(provider.takeCallback());
        steps.say(`granted ${provider.held.scope}`);
        await call();
        wide = true;
        expect(kept, 'nothing was held before');
      });
    } else {
      await steps.step(`${protocol}: ${server.more} goes through with what was agreed to before`, () =>
        server.call(session.client, made),
      );
    }

    await steps.step(`${protocol}: closes`, () => session.close());
  }

  await steps.step('no answer made the SDK throw its registration or tokens away', async () => {
    expect(!provider.invalidated, `invalidated ${provider.invalidated}`);
  });
  steps.end();
}
