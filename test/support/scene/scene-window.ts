/** What a person sees of the scene: the window of the lab that plays it, and rows of its panes. */
import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import type { ViewId } from '../../../src-main/protocol/views.ts';
import { LabWindow } from '../lab-window.ts';
import { SCENE_LAB } from './scene-lab.ts';

export class SceneWindow extends LabWindow {
  /** Opens the lab and plays the whole scene. */
  async play(): Promise<void> {
    await this.openLab(SCENE_LAB);
    await this.runToEnd();
  }

  /** Texts of the cells of each row of a table, as they are on the screen. */
  async rows(view: ViewId, table?: string): Promise<readonly (readonly string[])[]> {
    const pane = await this.view(view);
    const scope =
      table === undefined ? pane : pane.getByRole('group', { name: table, exact: true });
    await scope.locator('[data-row]').first().waitFor();
    return scope.locator('[data-row]').evaluateAll((rows) =>
      rows.map((row) =>
        [...row.querySelectorAll(':scope > .cell:not(.toggle)')].map((cell) => {
          const copy = cell.cloneNode(true) as Element;
          copy.querySelectorAll('.visually-hidden').forEach((hidden) => hidden.remove());
          return (copy.textContent ?? '').trim();
        }),
      ),
    );
  }

  /** A row by text, opened so that the fields behind it are on the screen. */
  async openRow(view: ViewId, text: string | RegExp): Promise<Locator> {
    const pane = await this.view(view);
    const item = pane.locator('.item', { has: this.page.locator('[data-row]', { hasText: text }) });
    const row = item.first().locator('[data-row]').first();
    if ((await row.getAttribute('aria-expanded')) === 'false') {
      await row.focus();
      await this.page.keyboard.press('ArrowRight');
    }
    return item.first().locator('.detail');
  }

  /** Opens one node after another, each below the one before, in a tree; answers what the last one shows. */
  async openNodes(view: ViewId, ...titles: readonly RegExp[]): Promise<Locator> {
    const pane = await this.view(view);
    const items = pane.getByRole('treeitem');
    let at = -1;
    for (const title of titles) {
      const after = at;
      await expect
        .poll(async () => {
          const texts = await items.allTextContents();
          at = texts.findIndex((text, index) => index > after && title.test(text));
          return at;
        })
        .toBeGreaterThanOrEqual(0);
      const node = items.nth(at);
      await node.click();
      if ((await node.getAttribute('aria-expanded')) === 'false') {
        await this.page.keyboard.press('ArrowRight');
      }
    }
    return pane.getByRole('region');
  }

  /** Value of a field in an opened structure. */
  async field(scope: Locator, name: string): Promise<string> {
    const row = scope
      .locator('table.field-table tr', {
        has: this.page.locator('th .mono', { hasText: new RegExp(`^${name}$`) }),
      })
      .first();
    return row.locator('td.value').evaluate((cell) => {
      const copy = cell.cloneNode(true) as Element;
      copy.querySelectorAll('.visually-hidden').forEach((hidden) => hidden.remove());
      return (copy.textContent ?? '').trim();
    });
  }
}
