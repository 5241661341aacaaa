// What is asked of every page, however it is looked at: axe-core finds nothing, nothing sticks out at the side,
// the title says something, and it is kept as a picture.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect } from '../steps.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What is worth a picture in every view; of the rest, the first view will do. */
const SHOWN = ['sign-in', 'consent'];

/** The ways to look: the folder of pictures names them so. */
export const VIEWS = [
  { name: 'desktop-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'desktop-dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
];

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
  await page.screenshot({ path: join(folder, `${title}-${view.name}.png`), fullPage: true, caret: 'hide' });
}
