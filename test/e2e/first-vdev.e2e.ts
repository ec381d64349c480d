import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow, solutionOf } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'first-vdev';
const WRONG_PASID = solutionOf(LAB, 'driver.ts').replace(
  'idxd_wq_set_pasid(own.wq, pasid)',
  'idxd_wq_set_pasid(own.wq, pasid + 1)',
);

const lineOfEnable =
  WRONG_PASID.split('\n').findIndex((line) => line.includes('return idxd_wq_enable')) + 1;

describe('lab "Compose a VDEV and submit its first descriptor" in the window', () => {
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
  const view = (id: string): Locator => lab.page.getByTestId(`view-${id}`);
  /** Puts the solution into both files that the learner edits. */
  const solve = async (driver = solutionOf(LAB, 'driver.ts')): Promise<void> => {
    await window.openFile('driver.ts');
    await window.replaceText(driver);
    await window.openFile('app.ts');
    await window.replaceText(solutionOf(LAB, 'app.ts'));
    await window.saved();
  };

  it('fails with the starter at the first step', async () => {
    await window.runToEnd();
    await expect
      .poll(() => check('parent').textContent())
      .toContain('mdev_supported_types is empty, expected idxd-1dwq');
    expect(await check('created').textContent()).toContain('Not run');
  });

  it('completes iommu names in the editor', async () => {
    await window.openFile('driver.ts');
    await window.typeAtEnd('\niommu_att');
    await lab.page
      .locator('.suggest-widget .monaco-list-row', { hasText: 'iommu_attach_device_pasid' })
      .first()
      .waitFor();
    await lab.page.keyboard.press('Escape');
  });

  it('passes with the solution', async () => {
    await solve();
    await window.runToEnd();
    await expect
      .poll(() => lab.page.getByTestId('checks-summary').textContent())
      .toContain('5 of 5 passed');
    await window.pane('Console');
    await expect
      .poll(() => lab.page.getByTestId('console').textContent())
      .toContain('Hello from an assignable device interface');
  });

  it('shows the PASID entry of the new ADI, decoded', async () => {
    await window.pane('PASID tables');
    const tree = view('pasid-table');
    const entry = tree.getByRole('treeitem').filter({ hasText: 'PASID 2' });
    await expect.poll(() => entry.textContent()).toMatch(/changed.*second-stage, domain 3/);
    await entry.click();
    for (const [field, value] of [
      ['PGTT', 'second stage'],
      ['DID', '3'],
    ] as const) {
      const option = tree.getByRole('option', { name: new RegExp(`^${field}\\b`) }).first();
      await option.focus();
      expect(await option.textContent()).toContain(value);
    }
  });

  it('shows the queue with its PASID, and the descriptor that completed', async () => {
    await window.pane('Work queues');
    const queues = view('work-queues');
    await expect.poll(() => queues.textContent()).toContain('Memory Move');
    await expect.poll(() => queues.textContent()).toMatch(/success/i);
  });

  it('explains a wrong PASID: reason 59h, the walk, and the line', async () => {
    await solve(WRONG_PASID);
    await window.runToEnd();
    await expect
      .poll(() => check('pasid').textContent())
      .toContain('PASID entry 3 of 6a:01.0: P is 0, expected 1');
    await window.pane('Fault records');
    await expect.poll(() => view('fault-records').textContent()).toContain('59h');
    await check('pasid').getByRole('button', { name: 'Why?' }).click();
    const why = lab.page.getByTestId('why');
    await expect.poll(() => why.textContent()).toContain('59');
    await expect.poll(() => why.textContent()).toContain('PASID entry');
    await expect.poll(() => why.textContent()).toContain(`driver.ts, line ${String(lineOfEnable)}`);
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });
});
