/** The two ends of every lab in a browser: the starter fails as it should, the solution passes. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from './chromium.ts';
import { LabWindow, labPackage } from './lab-window.ts';
import { startTestHost, type TestHost } from './web-host.ts';

/** An open lab that was just solved. */
export interface SolvedLab {
  readonly window: LabWindow;
  readonly page: LabPage['page'];
  /** What the console printed, all runs together. */
  printed(): Promise<string>;
}

/** Does a lab from start to finish. `then` adds what is to be seen afterwards, as tests of its own. */
export function describeLabInWindow(id: string, then: (solved: () => SolvedLab) => void): void {
  const lab = labPackage(id);
  describe(`lab "${lab.title}" in the window`, () => {
    let host: TestHost;
    let browser: Browser;
    let open: LabPage;
    let window: LabWindow;

    beforeAll(async () => {
      host = await startTestHost();
      browser = await launchChromium();
      open = await openLabPage(browser, host.url, {
        permissions: ['clipboard-read', 'clipboard-write'],
      });
      window = new LabWindow(open.page);
      await window.openLab(id);
    });

    afterAll(async () => {
      await browser.close();
      await host.close();
    });

    const solved = (): SolvedLab => ({
      window,
      page: open.page,
      printed: async () => (await open.page.getByTestId('console').textContent()) ?? '',
    });

    it('fails with the starter, in the words that the lab promises', async () => {
      const { check = '', message = '' } = lab.starterFailure ?? {};
      expect(message).toContain('expected');
      await window.runToEnd();
      const shown = open.page.getByTestId(`check-${check}`);
      await expect.poll(() => shown.textContent()).toContain(message);
    });

    it('passes with the solution', async () => {
      await window.solve(id);
      await window.runToEnd();
      await expect
        .poll(() => open.page.getByTestId('checks-summary').textContent())
        .toMatch(/(\d+) of \1 passed/);
    });

    then(solved);

    it('asked nothing of the world outside, and broke no policy', () => {
      expect(open.problems).toEqual([]);
    });
  });
}
