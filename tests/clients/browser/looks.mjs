// What is asked of every page, however it is looked at: axe-core finds nothing, nothing sticks out at the side,
// the title says something, and it is kept as a picture.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect } from '../steps.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What is worth a picture in every view; of the rest, the first view will do. */
const SHOWN = ['sign-in', 'consent', 'landing'];

/** The ways to look, and what tells their pictures apart. */
export const VIEWS = [
  { name: 'desktop, light', suffix: '', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'desktop, dark', suffix: '-dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  {
    name: 'phone, light',
    suffix: '-phone',
    colorScheme: 'light',
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
  },
  {
    name: 'phone, dark',
    suffix: '-phone-dark',
    colorScheme: 'dark',
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
  },
];

/** How much of the background a picture keeps around the page's own parts. */
const MARGIN = 32;

/** Looks at the page that is open, in the way `view` says. */
export async function look(page, title, view) {
  const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ${JSON.stringify(TAGS)} })`);
  const lines = found.violations.map(
    (v) => `${v.id} (${v.impact}): ${v.help}\n          ${v.nodes.map((n) => n.html).join('\n          ')}`,
  );
  expect(lines.length === 0, `${title}, ${view.name}: axe-core finds\n        ${lines.join('\n        ')}`);
  expect(found.passes.length > 0, `${title}: axe-core looked at nothing`);

  // WCAG 1.4.10: a page reflows down to 320 pixels without scrolling sideways.
  for (const width of [view.viewport.width, 320]) {
    await page.setViewportSize({ width, height: view.viewport.height });
    const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(over <= 0, `${title}, ${view.name}: sticks out by ${over} px at a width of ${width}`);
  }
  await page.setViewportSize(view.viewport);

  const folder = process.env.SCREENSHOTS;
  if (!folder || !(SHOWN.includes(title) || view === VIEWS[0])) return;
  mkdirSync(folder, { recursive: true });
  const clip = await page.evaluate(`(() => {
    const parts = [...document.body.children].map((part) => part.getBoundingClientRect());
    const left = Math.max(0, Math.min(...parts.map((part) => part.left)) - ${MARGIN});
    const top = Math.max(0, Math.min(...parts.map((part) => part.top)) - ${MARGIN});
    const right = Math.min(innerWidth, Math.max(...parts.map((part) => part.right)) + ${MARGIN});
    return { x: left, y: top, width: right - left, height: Math.max(...parts.map((part) => part.bottom)) + ${MARGIN} - top };
  })()`);
  await page.screenshot({ path: join(folder, `${title}${view.suffix}.png`), fullPage: true, clip, caret: 'hide' });
}
