import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow, solutionOf } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'find-the-capability';
const FILE = 'find-siov.ts';

/** What each pane must show once the solution has run; a pane without anything to show says why. */
const SHOWN: readonly (readonly [view: ViewId, text: RegExp])[] = [
  ['topology', /dmar0/],
  ['pasid-table', /Context entry/],
  ['page-walk', /PASID table entry/],
  ['nested-walk', /nested/i],
  ['work-queues', /This machine has no accelerator/],
  ['registers', /GCMD_REG/],
  ['fault-records', /FSTS_REG|No fault is on record/],
  ['invalidation-queue', /IQT|Invalidat/],
  ['page-request-queue', /No page request is waiting|PRS_REG/],
  ['context-cache', /entries/],
  ['pasid-cache', /0 of 256 entries/],
  ['iotlb', /0 of 1024 entries/],
  ['device-tlb', /ATS/],
  ['interrupts', /Interrupt remapping table/],
  ['posted-interrupts', /posts|Descriptor/],
  ['pci-config', /Scalable IOV/],
  ['device-registers', /This machine has no/],
  ['portals', /This machine has no accelerator/],
  ['vdev', /No VDEV exists/],
  ['vfio', /vfio|No file is open/],
  ['domains', /iommu\/domain/],
  ['sysfs', /mdev/],
  ['ioasid', /pasid|ioasid|No PASID/],
  ['memory', /0x/],
  ['counters', /IOTLB hits/],
];

describe('panes over the live machine', () => {
  let host: TestHost;
  let browser: Browser;
  let lab: LabPage;

  beforeAll(async () => {
    host = await startTestHost();
    browser = await launchChromium();
    lab = await openLabPage(browser, host.url, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  it('runs the solution', async () => {
    const window = new LabWindow(lab.page);
    await window.openLab(LAB);
    await window.replaceText(solutionOf(LAB, FILE));
    await window.saved();
    await window.runToEnd();
  });

  it.each(SHOWN)('shows %s', async (view, text) => {
    const { page } = lab;
    await page.keyboard.press('Control+K');
    await page.getByTestId('command-palette').waitFor();
    await page.getByTestId(`command-view-${view}`).click();
    const pane = page.getByTestId(`view-${view}`);
    await pane.waitFor();
    await expect.poll(() => pane.textContent(), { timeout: 10_000 }).toMatch(text);
  });

  it('raised no error and asked nothing of the world outside', () => {
    expect(lab.problems).toEqual([]);
  });
});
