/** Labs in a browser: opened for the tests of a file, or done from the starter that fails to the solution that passes. */
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from './chromium.ts';
import { labPackage } from './lab-package.ts';
import { LabWindow } from './lab-window.ts';
import { startTestHost, type TestHost } from './web-host.ts';

/** A lab that was opened in a window of its own, over a host of its own. */
export interface OpenLab {
  readonly host: TestHost;
  readonly window: LabWindow;
  readonly page: Page;
  /** See `LabPage`. */
  readonly problems: readonly string[];
  check(id: string): Locator;
  /** What the console printed, all runs together. */
  printed(): Promise<string>;
}

/** Opens a lab before the tests of the file or suite around the call, and closes it after them. */
export function openLabForTests(id: string): () => OpenLab {
  let host: TestHost;
  let browser: Browser;
  let open: LabPage;
  let window: LabWindow;

  beforeAll(async () => {
    host = await startTestHost();
    browser = await launchChromium();
    // Tests paste.
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

  return () => ({
    host,
    window,
    page: open.page,
    problems: open.problems,
    check: (check) => open.page.getByTestId(`check-${check}`),
    printed: async () => (await (await window.tool('console')).textContent()) ?? '',
  });
}

export interface MoreTests {
  /** Of the window after the run of the starter. */
  readonly failed?: (open: () => OpenLab) => void;
  /** Of the window after the run of the solution. */
  readonly solved: (open: () => OpenLab) => void;
}

/** Does a lab from start to finish. `more` adds what is to be seen on the way, as tests of its own. */
export function describeLabInWindow(id: string, more: MoreTests): void {
  const lab = labPackage(id);
  describe(`lab "${lab.title}" in the window`, () => {
    const open = openLabForTests(id);

    it('fails with the starter, in the words that the lab promises', async () => {
      const { check = '', message = '' } = lab.starterFailure ?? {};
      expect(message).toContain('expected');
      await open().window.runToEnd();
      await expect.poll(() => open().check(check).textContent()).toContain(message);
    });

    more.failed?.(open);

    it('passes with the solution', async () => {
      const { window } = open();
      await window.solve(id);
      await window.runToEnd();
      await window.passes();
    });

    more.solved(open);

    it('asked nothing of the world outside, and broke no policy', () => {
      expect(open().problems).toEqual([]);
    });
  });
}
