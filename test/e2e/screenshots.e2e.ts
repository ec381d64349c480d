/**
 * The pictures of the README: the lab of the first VDEV once its solution has run, light and dark, at two window sizes; the course map; a
 * machine with every class of device at work. Each is taken in every run, as proof that the window comes to rest and breaks nothing;
 * `npm run screenshots` keeps them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, showTheme, type LabPage } from '../support/chromium.ts';
import { openLabForTests } from '../support/lab-in-window.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';
import { startTestHost } from '../support/web-host.ts';

const LAB = 'first-vdev';
const FOLDER = path.resolve(import.meta.dirname, '../../docs/screenshots');
const isKept = process.env['SIOV_LAB_SCREENSHOTS'] === '1';
const SIZES = [
  { width: 1440, height: 900 },
  { width: 1024, height: 700 },
];

/** Pictures a page that stands still: two looks in a row show the same. */
async function picture(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate('document.fonts.ready');
  let shown: Buffer = Buffer.alloc(0);
  await expect
    .poll(async () => {
      const former = shown;
      shown = await page.screenshot();
      return shown.equals(former);
    })
    .toBe(true);
  expect(shown.length).toBeGreaterThan(20_000);
  if (!isKept) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(path.join(FOLDER, `${name}.png`), shown);
}

describe('the window of a lab that passes', () => {
  const open = openLabForTests(LAB);

  it('is solved', async () => {
    const { window } = open();
    await window.solve(LAB);
    await window.runToEnd();
    await window.passes();
    const tables = await window.view('pasid-table');
    await tables.getByRole('treeitem').filter({ hasText: 'PASID 2' }).click();
    await expect.poll(() => tables.getByRole('option').count()).toBeGreaterThan(0);
  });

  it.each(['light', 'dark'] as const)('is pictured in %s', async (theme) => {
    const { page } = open();
    await showTheme(page, theme);
    for (const viewport of SIZES) {
      await page.setViewportSize(viewport);
      await picture(page, `${LAB}-${theme}-${String(viewport.width)}`);
    }
  });

  it('broke no policy', () => {
    expect(open().problems).toEqual([]);
  });
});

describe('the window of a machine at work', () => {
  let host: SceneHost;
  let browser: Browser;
  let lab: LabPage;
  let window: SceneWindow;

  beforeAll(async () => {
    host = await startSceneHost();
    browser = await launchChromium();
    lab = await openLabPage(browser, host.url);
    window = new SceneWindow(lab.page);
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  it('has played the scene', async () => {
    await window.play();
  });

  it.each([
    ['topology', 'light'],
    ['nested-walk', 'dark'],
  ] as const)('is pictured with %s in %s', async (view, theme) => {
    await showTheme(lab.page, theme);
    const pane = await window.view(view);
    await pane.locator('.box, .step').first().waitFor();
    await picture(lab.page, `machine-at-work-${view}-${theme}-1440`);
  });

  it('broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });
});

describe('the course map', () => {
  it('is pictured', async () => {
    const host = await startTestHost();
    const browser = await launchChromium();
    try {
      const { page, problems } = await openLabPage(browser, host.url);
      await page.getByTestId('course-map').waitFor();
      await picture(page, 'course-map-light-1440');
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
      await host.close();
    }
  });
});
