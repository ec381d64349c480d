/** Accessibility of the course map, the workbench and every pane with contents, in every theme and both languages. */
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { AVAILABLE_VIEWS } from '../../src-main/services/views/views.ts';
import { accessibilityProblems } from '../support/accessibility.ts';
import {
  launchChromium,
  openLabPage,
  showTheme,
  type LabPage,
  type Theme,
} from '../support/chromium.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';

/** One pane of each kind of section. */
const SAMPLE: readonly ViewId[] = ['pasid-table', 'nested-walk', 'work-queues', 'vdev', 'iotlb'];

/** The contents of a pane are the same in every theme: each pane is looked at once, and one of each kind in every theme. */
const WINDOWS: readonly {
  readonly name: string;
  readonly options: BrowserContextOptions;
  readonly themes: readonly { readonly theme: Theme; readonly views: readonly ViewId[] }[];
}[] = [
  {
    name: 'English',
    options: {},
    themes: [
      { theme: 'light', views: AVAILABLE_VIEWS },
      { theme: 'dark', views: SAMPLE },
      { theme: 'contrast', views: SAMPLE },
    ],
  },
  {
    name: 'Chinese',
    options: { locale: 'zh-CN' },
    themes: [{ theme: 'light', views: SAMPLE }],
  },
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

describe.each(WINDOWS)('in $name', ({ options, themes }) => {
  let lab: LabPage;
  let window: SceneWindow;

  beforeAll(async () => {
    lab = await openLabPage(browser, host.url, options);
    window = new SceneWindow(lab.page);
  });

  afterAll(async () => {
    await lab.context.close();
  });

  it.each(themes)('the course map has no serious violation in $theme', async ({ theme }) => {
    await showTheme(lab.page, theme);
    await lab.page.getByTestId('course-map').waitFor();
    expect(await accessibilityProblems(lab.page)).toEqual([]);
  });

  it('plays the scene', async () => {
    await window.play();
  });

  describe.each(themes)('in $theme', ({ theme, views }) => {
    beforeAll(async () => {
      await showTheme(lab.page, theme);
    });

    it('the workbench has none after a run', async () => {
      await (await window.view('topology')).locator('.box').first().waitFor();
      expect(await accessibilityProblems(lab.page)).toEqual([]);
    });

    it.each(views)('the pane %s has none', async (view) => {
      const pane = await window.view(view);
      await pane.locator('.section-list, .empty-state').first().waitFor();
      expect(await accessibilityProblems(lab.page, `[data-testid="view-${view}"]`)).toEqual([]);
    });

    it('command palette and shortcuts have none', async () => {
      const palette = lab.page.getByTestId('command-palette');
      await lab.page.keyboard.press('Control+K');
      await palette.waitFor();
      expect(await accessibilityProblems(lab.page)).toEqual([]);
      await lab.page.keyboard.press('Escape');
      await palette.waitFor({ state: 'hidden' });
    });
  });
});
