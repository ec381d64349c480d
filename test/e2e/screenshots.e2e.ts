/**
 * Takes the pictures of the README: the lab of the first VDEV once its solution has run, light and dark, at two window sizes; the course
 * map; a machine with every class of device at work.
 */
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage } from '../support/chromium.ts';
import { LabWindow, solutionOf } from '../support/lab-window.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'first-vdev';
const FILES = ['driver.ts', 'app.ts'];
const FOLDER = path.resolve(import.meta.dirname, '../../docs/screenshots');
const SIZES = [
  { width: 1440, height: 900 },
  { width: 1024, height: 700 },
];

describe('the window of a lab that passes', () => {
  let host: TestHost;
  let browser: Browser;

  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true });
    host = await startTestHost();
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  it.each(['light', 'dark'] as const)('is pictured in %s', async (colorScheme) => {
    const { page, context, problems } = await openLabPage(browser, host.url, {
      colorScheme,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const window = new LabWindow(page);
    await window.openLab(LAB);
    for (const file of FILES) {
      await window.openFile(file);
      await window.replaceText(solutionOf(LAB, file));
    }
    await window.saved();
    await window.runToEnd();
    await window.pane('PASID tables');
    const tables = page.getByTestId('view-pasid-table');
    await tables.getByRole('treeitem').filter({ hasText: 'PASID 2' }).click();
    await page.mouse.move(0, 0);
    for (const viewport of SIZES) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(500);
      const file = path.join(FOLDER, `${LAB}-${colorScheme}-${String(viewport.width)}.png`);
      await page.screenshot({ path: file });
      expect(statSync(file).size).toBeGreaterThan(20_000);
    }
    expect(problems).toEqual([]);
    await context.close();
  });
});

describe('the course map', () => {
  it('is pictured', async () => {
    const host = await startTestHost();
    const browser = await launchChromium();
    const { page, problems } = await openLabPage(browser, host.url, { colorScheme: 'light' });
    await page.getByTestId('course-map').waitFor();
    await page.evaluate('document.fonts.ready');
    const file = path.join(FOLDER, 'course-map-light-1440.png');
    await page.screenshot({ path: file });
    expect(statSync(file).size).toBeGreaterThan(20_000);
    expect(problems).toEqual([]);
    await browser.close();
    await host.close();
  });
});

describe('the window of a machine at work', () => {
  let host: SceneHost;
  let browser: Browser;

  beforeAll(async () => {
    host = await startSceneHost();
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  it.each([
    ['topology', 'light'],
    ['nested-walk', 'dark'],
  ] as const)('is pictured with %s in %s', async (view, colorScheme) => {
    const { page, context, problems } = await openLabPage(browser, host.url, { colorScheme });
    const window = new SceneWindow(page);
    await window.play();
    const pane = await window.view(view);
    await pane.locator('.box, .step').first().waitFor();
    await page.mouse.move(0, 0);
    const file = path.join(FOLDER, `machine-at-work-${view}-${colorScheme}-1440.png`);
    await page.screenshot({ path: file });
    expect(statSync(file).size).toBeGreaterThan(20_000);
    expect(problems).toEqual([]);
    await context.close();
  });
});
