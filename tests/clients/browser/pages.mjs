// Debian's Chromium on the real pages: by keyboard alone, with JavaScript off, in light and dark, on desk and phone.
//
// CHROMIUM names another browser, SCREENSHOTS a folder for pictures.

import { chromium } from 'playwright-core';
import { Steps, expect, required } from '../steps.mjs';
import { Client } from './client.mjs';
import { decide, focus, signIn, tabTo } from './keyboard.mjs';
import { VIEWS, look } from './looks.mjs';

const resource = required('MCP_URL');
const passphrase = required('PASSPHRASE');
const origin = new URL(resource).origin;
const SCOPE = 'notes:read notes:write notes:delete';

const steps = new Steps(`Chromium on the pages of ${origin}`);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
let client = await Client.register(origin, 'Notebook');

/** Opens a browser of its own, as somebody who was never here; whatever it tries beyond the server is noted. */
async function visit(options, work) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const strays = [];
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.origin !== origin && to.href.split('?')[0] !== client.redirectUri) {
      strays.push(to.href);
    }
  });
  page.on('response', (answer) => {
    if (answer.status() >= 400 && answer.request().resourceType() !== 'document') strays.push(answer.url());
  });
  page.on('console', (message) => {
    // An error page's own status is no complaint; a broken Content-Security-Policy is.
    const status = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !status) strays.push(message.text());
  });
  page.on('pageerror', (error) => strays.push(String(error)));
  try {
    await work(page);
    expect(strays.length === 0, `the pages asked for or complained about: ${strays.join('; ')}`);
  } finally {
    await context.close();
  }
}

await steps.step('by keyboard alone, without JavaScript: signs in, agrees, and the code buys a token', () =>
  visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    expect((await focus(page))?.type === 'password', 'the passphrase does not have the focus from the start');
    await signIn(page, passphrase);
    await decide(page, 'allow');
    const parameters = await client.callback();
    const tokens = await client.redeem(parameters.get('code'), resource);
    for (const scope of SCOPE.split(' ')) expect(tokens.scope.includes(scope), `granted only ${tokens.scope}`);
  }),
);

await steps.step('by keyboard alone, without JavaScript: an unticked scope is not granted', () =>
  visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    const box = await tabTo(page, 'an optional scope', (at) => at.type === 'checkbox');
    await page.keyboard.press('Space');
    await decide(page, 'allow');
    const tokens = await client.redeem((await client.callback()).get('code'), resource);
    expect(!tokens.scope.split(' ').includes(box.value), `${box.value} was unticked, granted ${tokens.scope}`);
    steps.say(`without ${box.value}: ${tokens.scope}`);
  }),
);

await steps.step('by keyboard alone, without JavaScript: denies', () =>
  visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    await decide(page, 'deny');
    const parameters = await client.callback();
    expect(parameters.get('error') === 'access_denied', `the callback carries ${parameters}`);
    expect(!parameters.get('code'), 'a code was given to a client that was denied');
  }),
);

await steps.step('Enter in a checkbox decides nothing', () =>
  visit({}, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    await tabTo(page, 'an optional scope', (at) => at.type === 'checkbox');
    const before = page.url();
    await page.keyboard.press('Enter');
    await page.waitForTimeout(300);
    expect(page.url() === before, `it went to ${page.url()}`);
    await tabTo(page, 'allow', (at) => at.name === 'decision' && at.value === 'allow');
  }),
);

/** Where to click on the button that says `decision`. */
async function place(page, decision) {
  const button = page.locator(`button[value=${decision}]`);
  await button.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await button.boundingBox();
  return [x + width / 2, y + height / 2];
}

/** A click that was meant for the page before is not taken: a person is slower. */
const LOOKED = 700;

for (const latency of [180, 500]) {
  await steps.step(`a double click over ${latency} ms of network answers once, and the app is connected`, () =>
    visit({}, async (page) => {
      await page.goto(client.begin(resource, SCOPE));
      await signIn(page, passphrase);
      const network = await page.context().newCDPSession(page);
      await network.send('Network.enable');
      const slow = { offline: false, latency, downloadThroughput: 1e6, uploadThroughput: 1e6 };
      await network.send('Network.emulateNetworkConditions', slow);
      await page.waitForTimeout(LOOKED);
      const [x, y] = await place(page, 'allow');
      for (const pause of [120, 60]) {
        await page.mouse.click(x, y);
        await page.waitForTimeout(pause);
      }
      const late = new Promise((_, fail) => setTimeout(fail, 10_000, new Error('the app hears nothing')));
      const parameters = await Promise.race([client.callback(), late]);
      await client.redeem(parameters.get('code'), resource);
    }),
  );
}

await steps.step('a press that is dragged away sends nothing, and the button can be pressed again', () =>
  visit({}, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    await page.waitForTimeout(LOOKED);
    const before = page.url();
    const [x, y] = await place(page, 'allow');
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(2, 2);
    await page.mouse.up();
    await page.waitForTimeout(300);
    expect(page.url() === before, `it went to ${page.url()}`);
    await page.mouse.click(2, 2);
    await page.waitForTimeout(LOOKED);
    await Promise.all([page.waitForNavigation(), page.mouse.click(x, y)]);
    expect((await client.callback()).get('code'), 'no code came');
  }),
);

await steps.step('a finger allows, too', () =>
  visit({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } }, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    await page.waitForTimeout(LOOKED);
    const [x, y] = await place(page, 'allow');
    await Promise.all([page.waitForNavigation(), page.touchscreen.tap(x, y)]);
    expect((await client.callback()).get('code'), 'no code came');
  }),
);

await steps.step('after a wrong passphrase the right one is taken, by mouse', () =>
  visit({}, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    for (const typed of [`not ${passphrase}`, passphrase]) {
      await page.fill('input[type=password]', typed);
      await Promise.all([page.waitForNavigation(), page.click('button.main')]);
    }
    expect(await page.locator('button[value=allow]').count(), `came to ${await page.title()}`);
  }),
);

await steps.step('on a small desktop the buttons are seen without scrolling', () =>
  visit({ viewport: { width: 1280, height: 720 } }, async (page) => {
    await page.goto(client.begin(resource, SCOPE));
    await signIn(page, passphrase);
    const { y, height } = await page.locator('button[value=allow]').boundingBox();
    expect(y + height <= 720, `Allow ends ${y + height} px below the top`);
  }),
);

for (const view of VIEWS) {
  const { name, ...options } = view;
  await steps.step(`${name}: axe-core finds nothing on any page`, async () => {
    // One that nobody has allowed before.
    client.close();
    client = await Client.register(origin, 'Notebook');
    await visit(options, async (page) => {
      await page.goto(client.begin(resource, SCOPE));
      await look(page, 'sign-in', view);
      await signIn(page, `not ${passphrase}`);
      expect(await page.locator('[role=alert]').count(), 'a wrong passphrase is not said aloud');
      await look(page, 'sign-in-refused', view);
      await signIn(page, passphrase);
      await look(page, 'consent', view);
    });
  });
  await steps.step(`${name}: who opens the server's address is told how to connect`, () =>
    visit(options, async (page) => {
      const answer = await page.goto(`${origin}/`);
      expect(answer.status() === 200, `answered ${answer.status()}`);
      const said = await page.locator('main').innerText();
      for (const line of [resource, `claude mcp add --transport http notes ${resource}`, 'code --add-mcp ']) {
        expect(said.includes(line), `does not say ${line}`);
      }
      for (const link of await page.locator('main a').all()) {
        const found = await page.request.get(await link.getAttribute('href'));
        expect(found.ok(), `${await link.getAttribute('href')} answers ${found.status()}`);
      }
      // One click marks a whole line, to be copied.
      await page.locator('main code').nth(1).click();
      const marked = await page.evaluate('getSelection().toString()');
      expect(marked === `claude mcp add --transport http notes ${resource}`, `a click marks ${marked}`);
      await page.mouse.click(1, 1);
      await look(page, 'landing', view);
    }),
  );
  await steps.step(`${name}: the error page is as good as the others`, () =>
    visit(options, async (page) => {
      const strange = client.begin(resource, SCOPE, { redirect_uri: 'https://elsewhere.example/callback' });
      const answer = await page.goto(strange);
      expect(answer.status() === 400, `answered ${answer.status()}`);
      expect(new URL(page.url()).origin === origin, `went to ${page.url()}`);
      await look(page, 'error', view);
    }),
  );
  await steps.step(`${name}: a page that was answered says so, and one that is not there as well`, () =>
    visit(options, async (page) => {
      await page.goto(client.begin(resource, SCOPE));
      await signIn(page, passphrase);
      const form = page.locator('form:has(button[value=deny])');
      const ticket = await form.locator('input[name=ticket]').inputValue();
      const action = new URL(await form.getAttribute('action'), origin).href;
      await page.request.post(action, { form: { ticket, decision: 'deny' }, maxRedirects: 0 });
      await decide(page, 'allow');
      expect((await page.title()).startsWith('This page was answered already'), await page.title());
      await look(page, 'answered', view);
      await page.goto(`${origin}/authorize/continue?ticket=old`);
      await look(page, 'expired', view);
      const answer = await page.goto(`${origin}/authorise`);
      expect(answer.status() === 404, `answered ${answer.status()}`);
      await look(page, 'not-found', view);
      await Promise.all([page.waitForNavigation(), page.click('main a')]);
      expect(page.url() === `${origin}/`, `went to ${page.url()}`);
    }),
  );
}

client.close();
await browser.close();
steps.end();
