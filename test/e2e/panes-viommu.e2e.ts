/** The pane of virtual IOMMUs in a real browser: the guest's unit, its tables beside those of the host, its faults. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { BLOCKED_GUEST } from '../support/blocked-guest.ts';
import { launchChromium, openLabPage, showTheme, type LabPage } from '../support/chromium.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SCENE_FILE, SCENE_LAB } from '../support/scene/scene-lab.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';

const FUNCTIONS = 'Requests without a PASID';
const ENTRIES = 'PASID entries of guest and host';
const FAULTS = 'Fault records of the guest’s unit';
const EVENTS = 'What the VMM carried over';
/** The guest leaves its device the address space. */
const KEPT = BLOCKED_GUEST.replace('iommu_group_claim_dma_owner(group)', '0');

let host: SceneHost;
let browser: Browser;
let lab: LabPage;
let window: SceneWindow;

beforeAll(async () => {
  host = await startSceneHost('viommu');
  browser = await launchChromium();
  lab = await openLabPage(browser, host.url, {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  window = new SceneWindow(lab.page);
  await window.openLab(SCENE_LAB);
});

afterAll(async () => {
  await browser.close();
  await host.close();
});

async function unitText(): Promise<string> {
  const pane = await window.view('viommu');
  return pane.getByRole('group', { name: 'Unit of the guest', exact: true }).innerText();
}

/** Tables of a pane that are wider than their room, by their names. */
async function cutTables(view: ViewId): Promise<readonly (string | null)[]> {
  const pane = await window.view(view);
  return pane
    .locator('.scroller')
    .evaluateAll((grids) =>
      grids
        .filter((grid) => grid.scrollWidth > grid.clientWidth)
        .map((grid) => grid.getAttribute('aria-label')),
    );
}

describe('a guest that takes the address space of a working device away, kvmforum2019', () => {
  it('has the function blocked, with the fault of its own tables', async () => {
    await window.changeProfile('kvmforum2019');
    await window.runToEnd();
    const [row] = await window.rows('viommu', FUNCTIONS);
    expect(row).toEqual(['00:03.0', 'nothing: blocked', '59h PASID table entry not present']);
  });

  it('has the fault in its own records, under its own Requester ID, while it masks the event', async () => {
    const records = await window.rows('viommu', FAULTS);
    expect(records[0]?.[0]).toBe('00:03.0');
    expect(records[0]?.[1]).toMatch(/^read, 0x/);
    expect(records[0]?.[2]).toBe('59h PASID table entry not present');
    expect(await unitText()).toContain('faults wait');
  });

  it('has every step of it among the events', async () => {
    const events = (await window.rows('viommu', EVENTS)).map((row) => row[1] ?? '');
    for (const part of ['blocked yes', 'PASID table entry not present (0x59)', 'bound no']) {
      expect(
        events.some((text) => text.includes(part)),
        part,
      ).toBe(true);
    }
  });
});

describe('the faults in a small window', () => {
  afterAll(async () => {
    await lab.page.setViewportSize({ width: 1440, height: 900 });
  });

  it.each(['dark', 'light'] as const)('are all there, %s', async (theme) => {
    await lab.page.setViewportSize({ width: 1024, height: 700 });
    await showTheme(lab.page, theme);
    expect((await window.rows('viommu', FAULTS)).length).toBeGreaterThan(0);
    expect(await cutTables('viommu')).toEqual([]);
  });

  it('stand beside device registers that have room, however wide', async () => {
    await window.rows('device-registers');
    expect(await cutTables('device-registers')).toEqual([]);
  });
});

describe('a guest that leaves the address space, iommufd', () => {
  it('has its table followed by the host, and its queue read to the end', async () => {
    await window.changeProfile('iommufd');
    await window.openFile(SCENE_FILE);
    await window.replaceText(KEPT);
    await window.saved();
    await window.runToEnd();
    const [row] = await window.rows('viommu', FUNCTIONS);
    expect(row?.slice(0, 3)).toEqual(['00:03.0', 'first stage of the guest', '—']);
    const [entry] = await window.rows('viommu', ENTRIES);
    expect(entry?.slice(0, 3)).toEqual(['00:03.0', '0', 'first-stage']);
    expect(entry?.[5]).toBe('nested');
    expect(entry?.[6]).toBe(entry?.[3]);
    expect(entry?.[7]).toBe('followed');
    const unit = await unitText();
    expect(unit).toContain('on, scalable mode');
    expect(unit).toMatch(/head (\d+), tail \1\b/);
    expect(unit).toContain('nothing waits');
  });

  it('leads from an entry to the walk of both stages', async () => {
    const pane = await window.view('viommu');
    const entries = pane.getByRole('group', { name: ENTRIES, exact: true });
    await entries.locator('button.link').first().click();
    const walk = await window.view('nested-walk');
    await expect.poll(() => walk.locator('.result').innerText()).not.toBe('');
  });
});

it('raised no error and asked nothing of the world outside', () => {
  expect(lab.problems).toEqual([]);
});
