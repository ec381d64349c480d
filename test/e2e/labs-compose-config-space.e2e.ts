import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'compose-config-space';

describe('lab "Compose config space" in the window', () => {
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
      .poll(() => check('capability').textContent())
      .toContain('Status bit 4 is 0, expected 1');
    expect(await check('read-only').textContent()).toContain('Not run');
  });

  it('passes with the solution', async () => {
    await window.solve(LAB);
    await window.runToEnd();
    await expect
      .poll(() => lab.page.getByTestId('checks-summary').textContent())
      .toContain('6 of 6 passed');
  });

  it('shows what the guest found, in its console and in the pane of the VDEV', async () => {
    await window.pane('Console');
    await expect.poll(printed).toContain('MSI-X vectors: 2');
    await expect.poll(printed).toContain('bus master off: halted, software error 0x51');
    const vdev = await window.view('vdev');
    await expect.poll(() => vdev.textContent()).toContain('MSI-X');
    await expect.poll(() => vdev.textContent()).toContain('halted');
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });
});
