import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'first-fast-path';

describe('lab "Regions, sparse mmap, first fast path" in the window', () => {
  let host: TestHost;
  let browser: Browser;
  let lab: LabPage;
  let window: LabWindow;

  beforeAll(async () => {
    host = await startTestHost();
    browser = await launchChromium();
    lab = await openLabPage(browser, host.url, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    window = new LabWindow(lab.page);
    await window.openLab(LAB);
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  const check = (id: string): Locator => lab.page.getByTestId(`check-${id}`);
  const printed = (): Promise<string | null> => lab.page.getByTestId('console').textContent();

  it('fails with the starter, and says what a guest lacks', async () => {
    await window.runToEnd();
    await expect
      .poll(() => check('areas').textContent())
      .toContain('offset+size of its areas is 0+8192, expected 0+4096 4096+4096');
    await window.pane('Console');
    await expect.poll(printed).toContain('Exits: {"EPT violation":1}');
  });

  it('passes with the solution', async () => {
    await window.solve(LAB);
    await window.runToEnd();
    await expect
      .poll(() => lab.page.getByTestId('checks-summary').textContent())
      .toContain('4 of 4 passed');
  });

  it('shows three submissions without an exit, and which pages are direct', async () => {
    await window.pane('Console');
    await expect.poll(printed).toContain('dedicated, unlimited portal: success');
    // The console keeps the lines of earlier runs.
    const lines = (await printed()) ?? '';
    const text = lines.slice(lines.lastIndexOf('dedicated queue, areas'));
    expect(text.match(/Exits: \{\}/g)).toHaveLength(3);
    expect(text.match(/Exits: \{"EPT violation":1\}/g)).toHaveLength(1);
    const ept = await window.view('ept');
    await expect.poll(() => ept.textContent()).toContain('BAR2');
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });
});
