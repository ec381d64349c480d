/** Accessibility of the course map, the workbench and every pane with contents, in every theme and both languages. */
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { AVAILABLE_VIEWS } from '../../src-main/services/views/views.ts';
import { accessibilityProblems } from '../support/accessibility.ts';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';

/** One pane of each kind of section. */
const SAMPLE: readonly ViewId[] = ['pasid-table', 'nested-walk', 'work-queues', 'vdev', 'iotlb'];

const THEMES: readonly {
  readonly name: string;
  readonly options: BrowserContextOptions;
  readonly views: readonly ViewId[];
}[] = [
  { name: 'light', options: { colorScheme: 'light' }, views: AVAILABLE_VIEWS },
  { name: 'dark', options: { colorScheme: 'dark' }, views: SAMPLE },
  { name: 'contrast', options: { colorScheme: 'dark', contrast: 'more' }, views: SAMPLE },
  { name: 'Chinese', options: { colorScheme: 'light', locale: 'zh-CN' }, views: SAMPLE },
];

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

describe.each(THEMES)('in $name', ({ options, views }) => {
  let lab: LabPage;
  let window: SceneWindow;

  beforeAll(async () => {
    lab = await openLabPage(browser, host.url, options);
    window = new SceneWindow(lab.page);
  });

  afterAll(async () => {
    await lab.context.close();
  });

  it('the course map has no serious violation', async () => {
    await lab.page.getByTestId('course-map').waitFor();
    expect(await accessibilityProblems(lab.page)).toEqual([]);
  });

  it('the workbench has none after a run', async () => {
    await window.play();
    await (await window.view('topology')).locator('.box').first().waitFor();
    expect(await accessibilityProblems(lab.page)).toEqual([]);
  });

  it.each(views)('the pane %s has none', async (view) => {
    const pane = await window.view(view);
    await pane.locator('.section-list, .empty-state').first().waitFor();
    expect(await accessibilityProblems(lab.page, `[data-testid="view-${view}"]`)).toEqual([]);
  });

  it('command palette and shortcuts have none', async () => {
    await lab.page.keyboard.press('Control+K');
    await lab.page.getByTestId('command-palette').waitFor();
    expect(await accessibilityProblems(lab.page)).toEqual([]);
    await lab.page.keyboard.press('Escape');
  });
});
