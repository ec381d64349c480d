/** What a person does in the window of a lab, for end-to-end tests. */
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { createLabFiles } from '../../src-main/hosts/labs/lab-files.ts';
import { loadLab, type LabPackage } from '../../src-main/labs-engine/package/lab-package.ts';

const LABS = path.resolve(import.meta.dirname, '../../labs');
const PATIENCE_MS = 20_000;

/** A lab as its folder says, by id. */
export function labPackage(id: string): LabPackage {
  const library = createLabFiles(LABS);
  for (const folder of library.labs()) {
    const { lab } = loadLab(library, folder);
    if (lab?.id === id) return lab;
  }
  throw new Error(`There is no lab ${id}`);
}

export function solutionOf(id: string, file: string): string {
  const script = labPackage(id).scripts.find((s) => s.path === file);
  if (script === undefined) throw new Error(`Lab ${id} has no file ${file}`);
  return script.solution.text;
}

export class LabWindow {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async openLab(id: string): Promise<void> {
    await this.page.getByTestId(`lab-card-${id}`).click();
    await this.page.getByTestId('run-button').waitFor();
    await this.page.locator('.monaco-editor .view-line').first().waitFor();
  }

  /** Opens one of the lab's files in the editor. */
  async openFile(name: string): Promise<void> {
    await this.page.getByTestId(`file-tab-${name}`).click();
    await this.page.locator('.monaco-editor .view-line').first().waitFor();
  }

  /** Replaces the text of the open file as a paste would. */
  async replaceText(text: string): Promise<void> {
    await this.#focusEditor();
    await this.page.keyboard.press('Control+A');
    await this.paste(text);
  }

  /** Puts the solution into every file that the learner of the lab edits. */
  async solve(id: string): Promise<void> {
    for (const { path: name, role, solution } of labPackage(id).scripts) {
      if (role !== 'edit') continue;
      await this.openFile(name);
      await this.replaceText(solution.text);
    }
    await this.saved();
  }

  async typeAtEnd(text: string): Promise<void> {
    await this.#focusEditor();
    await this.page.keyboard.press('Control+End');
    await this.page.keyboard.type(text);
  }

  async paste(text: string): Promise<void> {
    await this.page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await this.page.keyboard.press('Control+V');
  }

  /** Waits until the text is on disk. */
  async saved(): Promise<void> {
    await expect
      .poll(() => this.page.getByTestId('save-state').textContent(), { timeout: PATIENCE_MS })
      .toContain('Saved');
  }

  async run(): Promise<void> {
    await this.page.getByTestId('run-button').click();
    const skip = this.page.getByTestId('skip-predict');
    await skip.click({ timeout: 1_500 }).catch(() => undefined);
  }

  async runToEnd(): Promise<void> {
    await this.run();
    await expect
      .poll(() => this.page.getByTestId('run-state').getAttribute('data-state'), {
        timeout: PATIENCE_MS,
      })
      .toMatch(/finished|failed|stopped/);
  }

  async stateBecomes(state: RegExp): Promise<void> {
    await expect
      .poll(() => this.page.getByTestId('run-state').textContent(), { timeout: PATIENCE_MS })
      .toMatch(state);
  }

  async pane(name: string): Promise<void> {
    const tab = this.page.getByRole('tab', { name, exact: true }).first();
    if (await tab.isVisible()) {
      await tab.click();
    } else {
      await this.page.keyboard.press('Control+K');
      await this.page.getByTestId('command-palette').getByRole('combobox').fill(name);
      await this.page.keyboard.press('Enter');
    }
  }

  /** Opens the pane of a view by the command palette, as its tab may be hidden. */
  async view(view: ViewId): Promise<Locator> {
    await this.command(`command-view-${view}`);
    const pane = this.page.getByTestId(`view-${view}`);
    await pane.waitFor();
    return pane;
  }

  /** Chooses a command of the palette by its test id. */
  async command(testId: string): Promise<void> {
    await this.page.keyboard.press('Control+K');
    await this.page.getByTestId('command-palette').waitFor();
    await this.page.getByTestId(testId).click();
    await this.page.getByTestId('command-palette').waitFor({ state: 'hidden' });
  }

  editorText(): Promise<string> {
    return this.page.locator('.monaco-editor .view-lines').first().innerText();
  }

  async #focusEditor(): Promise<void> {
    await this.page.locator('.monaco-editor .view-lines').first().click();
  }
}
