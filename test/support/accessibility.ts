/** Accessibility violations of a page as axe-core finds them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * The dock puts the buttons of a tab inside the element with role `tab`; its library has no other way. The same buttons are
 * in the command palette.
 */
const EXCEPTIONS: readonly { readonly rule: string; readonly selector: RegExp }[] = [
  { rule: 'nested-interactive', selector: /dv-|\.dv|role="tab"/ },
];

const OPTIONS: RunOptions = {
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] },
  resultTypes: ['violations'],
};

declare const axe: { run(root: Element | Document, options: RunOptions): Promise<AxeResults> };

/** Serious and critical violations under `selector`, one sentence each. */
export async function accessibilityProblems(
  page: Page,
  selector = 'html',
): Promise<readonly string[]> {
  // Half a megabyte: a page gets it once.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source);
  const { violations } = await page.evaluate(
    async ([root, options]) => {
      const element = document.querySelector(root);
      if (element === null) throw new Error(`Nothing matches ${root}`);
      return axe.run(element, options);
    },
    [selector, OPTIONS] as const,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes
        .filter(
          ({ html, target }) =>
            !EXCEPTIONS.some(
              (known) => known.rule === id && known.selector.test(`${html} ${target.join(' ')}`),
            ),
        )
        .map(({ target, html }) => `${id}: ${help} (${target.join(' ')}: ${html.slice(0, 160)})`),
    );
}
