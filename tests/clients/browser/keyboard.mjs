// A person with a keyboard and nothing else: moves by Tab, sees where the focus is, presses Enter and Space.

import { expect } from '../steps.mjs';

const FOCUS = `(() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const style = getComputedStyle(at);
  return {
    tag: at.tagName.toLowerCase(),
    type: at.type ?? '',
    name: at.name ?? '',
    value: at.type === 'password' ? '' : (at.value ?? ''),
    text: at.textContent.trim().replace(/\\s+/g, ' ').slice(0, 40),
    visible: (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none',
  };
})()`;

/** What has the focus, or null. */
export function focus(page) {
  return page.evaluate(FOCUS);
}

/** Tabs until `wanted` holds for what has the focus; answers it. The focus must be seen at every stop. */
export async function tabTo(page, what, wanted) {
  const stops = [];
  for (let presses = 0; presses < 40; presses++) {
    const at = await focus(page);
    if (at) {
      stops.push(`${at.tag} ${at.name || at.text}`);
      expect(at.visible, `the focus on ${at.tag} ${at.name || at.text} cannot be seen`);
      if (wanted(at)) return at;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never comes to ${what}; stops: ${stops.join(', ')}`);
}

/** Types the passphrase and presses Enter. */
export async function signIn(page, passphrase) {
  await tabTo(page, 'the passphrase', (at) => at.type === 'password');
  await page.keyboard.type(passphrase);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

/** Presses the button of the consent page that says `decision`. */
export async function decide(page, decision) {
  await tabTo(page, decision, (at) => at.name === 'decision' && at.value === decision);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}
