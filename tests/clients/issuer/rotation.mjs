// Tokens of an issuer that is not ours, verified by `resource-only` while the issuer's keys change under load (RS-60, RS-62, RS-63, RS-64, A-FAULT-6, A-FAULT-7).
//
// Two rotations, from ES256 to EdDSA to RS256: the new key is published, then signs, then the old one goes. Between publishing and signing lies
// what any issuer has to leave: the half minute in which a resource server does not ask for unknown keys a second time.

import { setTimeout as pause } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { Steps, expect, required } from '../steps.mjs';
import { Issuer, makeKey } from './issuer.mjs';
import { Key, ask, token } from './mcp.mjs';

const WORKERS = 8;
const COOL_DOWN = 31_000;
const BRIEF = 10;
const OTHER = 'https://other.example/mcp';

const url = required('MCP_URL');
const issuer = new Issuer(Number(required('ISSUER_PORT')), url, {
  brief: { seconds: BRIEF },
  lasting: { seconds: 600 },
  bound: { seconds: BRIEF, bound: true },
});
const steps = new Steps(`oidc-provider at ${issuer.url}, its tokens at ${url}`);
const bearer = ({ text }) => `Bearer ${text}`;

/** Callers that go on until they are told to stop. Whatever is not 200 is written down. */
class Load {
  constructor() {
    this.calls = 0;
    this.refused = [];
    this.kids = new Map();
    this.going = true;
    this.workers = Array.from({ length: WORKERS }, (_, index) => this.#work(index % 4 === 0));
  }

  async #work(isBound) {
    let key;
    let held;
    for (let turn = 0; this.going; turn += 1) {
      // A new one for each few calls, and long before its end: none is to be refused.
      if (!held || turn % 10 === 0 || held.until < Date.now() + (BRIEF * 1000) / 2) {
        key = isBound ? await Key.make() : undefined;
        held = await token(issuer, isBound ? 'bound' : 'brief', { key });
      }
      const dpop = key && (await key.proof('POST', url, held.text));
      const answer = await ask(url, `${isBound ? 'DPoP' : 'Bearer'} ${held.text}`, { dpop });
      const { kid } = decodeProtectedHeader(held.text);
      this.calls += 1;
      this.kids.set(kid, (this.kids.get(kid) ?? 0) + 1);
      if (answer.status !== 200 || !answer.text.includes('count_words')) {
        this.refused.push({ kid, isBound, at: new Date().toISOString(), ...answer });
      }
      await pause(5);
    }
  }

  /** Nobody was refused so far, and everybody still asks. */
  check() {
    expect(this.refused.length === 0, `${this.refused.length} refused: ${JSON.stringify(this.refused[0])}`);
    steps.say(`${this.calls} calls so far, by ${[...this.kids].map(([kid, n]) => `${kid} ${n}`).join(', ')}`);
  }

  async stop() {
    this.going = false;
    await Promise.all(this.workers);
  }
}

const [first, second, third] = [
  await makeKey('ES256', 'first'),
  await makeKey('EdDSA', 'second'),
  await makeKey('RS256', 'third'),
];

await steps.step('while the issuer is down nobody is let in, and nobody told to throw a token away', async () => {
  const claims = Buffer.from(JSON.stringify({ iss: issuer.url })).toString('base64url');
  const head = Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"first"}').toString('base64url');
  const answer = await ask(url, `Bearer ${head}.${claims}.${'A'.repeat(86)}`);
  expect(answer.status === 503 && !answer.challenge, `${answer.status} ${answer.challenge}`);
});

issuer.use([first], 'first');
await issuer.listen();

await steps.step('once it is up, its signed tokens open the door', async () => {
  const held = await token(issuer, 'lasting');
  let answer;
  for (const until = Date.now() + 15_000; Date.now() < until; await pause(200)) {
    answer = await ask(url, bearer(held));
    if (answer.status === 200) return steps.say(`typ ${decodeProtectedHeader(held.text).typ}`);
    expect(answer.status === 503, `${answer.status} ${answer.challenge}`);
  }
  throw new Error(`still ${answer.status}`);
});

await steps.step('what is no token for this server stays out', async () => {
  const elsewhere = await ask(url, bearer(await token(issuer, 'lasting', { resource: OTHER })));
  expect(elsewhere.status === 401 && elsewhere.challenge.includes('invalid_token'), 'another audience was let in');
  const opaque = await ask(url, bearer(await token(issuer, 'lasting', { resource: null })));
  expect(opaque.status === 401, `an opaque token got ${opaque.status}`);
  const restart = { method: 'tools/call', params: { name: 'restart', arguments: {} } };
  const narrow = await ask(url, bearer(await token(issuer, 'lasting')), restart);
  expect(narrow.status === 403 && narrow.challenge.includes('scope="mcp:admin'), `${narrow.status} ${narrow.challenge}`);
  const wide = await ask(url, bearer(await token(issuer, 'lasting', { scope: 'mcp:tools mcp:admin' })), restart);
  expect(wide.status === 200 && wide.text.includes('restarted for lasting'), `${wide.status} ${wide.text}`);
});

await steps.step('a token bound to a key needs its proof each time (RFC 9449)', async () => {
  const [key, thief] = [await Key.make(), await Key.make()];
  const held = await token(issuer, 'bound', { key });
  expect(held.type === 'DPoP', `token_type ${held.type}`);
  const dpop = await key.proof('POST', url, held.text);
  const scheme = `DPoP ${held.text}`;
  const good = await ask(url, scheme, { dpop });
  expect(good.status === 200, `${good.status} ${good.challenge}`);
  for (const [what, authorization, proof] of [
    ['the same proof again', scheme, dpop],
    ['no proof', scheme, undefined],
    ['another key', scheme, await thief.proof('POST', url, held.text)],
    ['another method', scheme, await key.proof('GET', url, held.text)],
    ['another place', scheme, await key.proof('POST', OTHER, held.text)],
    ['a proof for another token', scheme, await key.proof('POST', url, 'x')],
    ['as a bearer', bearer(held), await key.proof('POST', url, held.text)],
  ]) {
    const answer = await ask(url, authorization, { dpop: proof });
    expect(answer.status === 401, `${what}: ${answer.status}`);
  }
});

const old = await token(issuer, 'lasting');
const load = new Load();
/** Load for so long; ends early if somebody is refused. */
const under = async (time) => {
  for (const until = Date.now() + time; Date.now() < until && load.refused.length === 0; ) await pause(100);
  load.check();
};

for (const [before, after] of [
  [first, second],
  [second, third],
]) {
  await steps.step(`${after.alg}: the new key is published, and the old one signs`, async () => {
    issuer.use([before, after], before.kid);
    await under(COOL_DOWN);
  });
  await steps.step(`${after.alg}: the new key signs, and nobody is refused`, async () => {
    const fetches = issuer.fetches;
    issuer.use([before, after], after.kid);
    await under(BRIEF * 1000);
    expect(load.kids.get(after.kid) > 0, 'nobody had a token of the new key');
    expect(issuer.fetches - fetches <= 1, `the keys were fetched ${issuer.fetches - fetches} times`);
  });
  await steps.step(`${after.alg}: the old key goes, its last tokens having ended`, async () => {
    issuer.use([after], after.kid);
    await under(1000);
  });
}

await steps.step('a key that is gone opens nothing, once the keys were fetched again', async () => {
  const answer = await ask(url, bearer(old));
  expect(answer.status === 401 && answer.challenge.includes('invalid_token'), `${answer.status} ${answer.challenge}`);
  const fresh = await ask(url, bearer(await token(issuer, 'lasting')));
  expect(fresh.status === 200, `${fresh.status} ${fresh.challenge}`);
});

await steps.step('strangers with keys that nobody has cost no one anything', async () => {
  const fetches = issuer.fetches;
  const [, claims] = (await token(issuer, 'lasting')).text.split('.');
  for (let n = 0; n < 1000; n += 1) {
    const head = Buffer.from(`{"alg":"ES256","typ":"at+jwt","kid":"nobody-${n}"}`).toString('base64url');
    const answer = await ask(url, `Bearer ${head}.${claims}.${'A'.repeat(86)}`);
    expect(answer.status === 401 || answer.status === 503, `${answer.status}`);
  }
  load.check();
  expect(issuer.fetches - fetches <= 2, `they had the keys fetched ${issuer.fetches - fetches} times`);
});

await steps.step('and in all that nobody was refused', async () => {
  await load.stop();
  load.check();
  steps.say(`${issuer.fetches} fetches of the keys`);
});
issuer.close();
steps.end();
