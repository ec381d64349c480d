/** What a person does in the window of a lab, for end-to-end tests. Every method answers once the window has followed. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { ViewId } from '../../src-main/protocol/views.ts';
import { labPackage } from './lab-package.ts';

/** Panes that are no views. */
export type Tool = 'checks' | 'console' | 'trace';

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
    await this.page
      .locator(`.monaco-editor[data-uri="file:///${name}"] .view-line`)
      .first()
      .waitFor();
  }

  /** Replaces the text of the open file by a paste; answers when the editor has it. */
  async replaceText(text: string): Promise<void> {
    await this.#focusEditor();
    const marked = this.page.locator('.monaco-editor .selected-text').first();
    await this.page.keyboard.press('Control+A');
    await marked.waitFor();
    await this.paste(text);
    await marked.waitFor({ state: 'detached' });
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
    await expect.poll(() => this.page.getByTestId('save-state').textContent()).toContain('Saved');
  }

  /** Starts a run. Predictions that are asked for first are skipped. */
  async run(): Promise<void> {
    const former = await this.page.getByTestId('run-state').getAttribute('data-run');
    const started = this.page.locator(`[data-testid="run-state"]:not([data-run="${former}"])`);
    const skip = this.page.getByTestId('skip-predict');
    await this.page.getByTestId('run-button').click();
    await skip.or(started).first().waitFor();
    if (await skip.isVisible()) await skip.click();
    await started.waitFor();
  }

  async runToEnd(): Promise<void> {
    await this.run();
    const ends = ['finished', 'failed', 'stopped'].map((state) => `[data-state="${state}"]`);
    await this.page.locator(`[data-testid="run-state"]:is(${ends.join()})`).waitFor();
  }

  /** Runs again under the other kernel; the lab opens anew for it. */
  async changeProfile(profile: string): Promise<void> {
    await this.page.getByTestId('profile-menu').click();
    await this.page.getByTestId(`menu-${profile}`).click();
    await this.page.locator('[data-testid="run-state"][data-state="idle"]').waitFor();
  }

  /** Waits until all checks passed. */
  async passes(): Promise<void> {
    await this.tool('checks');
    await expect
      .poll(() => this.page.getByTestId('checks-summary').textContent())
      .toMatch(/(\d+) of \1 passed/);
  }

  async stateBecomes(state: RegExp): Promise<void> {
    await expect.poll(() => this.page.getByTestId('run-state').textContent()).toMatch(state);
  }

  /** Brings a tool pane to the front. */
  async tool(tool: Tool): Promise<Locator> {
    const pane = this.page.getByTestId(`pane-${tool}`);
    if (!(await pane.isVisible())) await this.command(`command-pane-${tool}`);
    await pane.waitFor();
    return pane;
  }

  /** Brings the pane of a view to the front; it shows the selected instant, not an earlier one. */
  async view(view: ViewId): Promise<Locator> {
    const pane = this.page.getByTestId(`view-${view}`);
    if (!(await pane.isVisible())) await this.command(`command-view-${view}`);
    await this.page.locator(`[data-testid="view-${view}"][data-stale="false"]`).waitFor();
    return pane;
  }

  /** Chooses a command of the palette by its test id. */
  async command(testId: string): Promise<void> {
    await this.page.keyboard.press('Control+K');
    await this.page.getByTestId('command-palette').waitFor();
    await this.page.getByTestId(testId).click();
    await this.page.getByTestId('command-palette').waitFor({ state: 'hidden' });
  }

  /**
   * A row of the trace pane by its place among the drawn ones. The list scrolls to its end when it appears and whenever records
   * come in, and rows are numbered as they arrive: only then does a row stay where it is.
   */
  async traceRow(place: number): Promise<Locator> {
    const pane = await this.tool('trace');
    const numbers = (): Promise<readonly (string | null)[]> =>
      pane.evaluate((element) => {
        const grid = element.querySelector('[role="grid"]');
        const rows = [...element.querySelectorAll('[data-testid="trace-row"]')];
        const isAtEnd =
          grid?.getAttribute('aria-rowcount') === rows.at(-1)?.getAttribute('aria-rowindex');
        return isAtEnd ? rows.map((row) => row.getAttribute('data-seq')) : [];
      });
    let found: readonly (string | null)[] = [];
    await expect
      .poll(async () => {
        const former = found;
        found = await numbers();
        const isNumbered = found.length > place && !found.includes(null);
        return isNumbered && found.join() === former.join();
      })
      .toBe(true);
    return pane.locator(`[data-testid="trace-row"][data-seq="${String(found[place])}"]`);
  }

  /** Shows the machine right after the record of a row. */
  async goTo(row: Locator): Promise<void> {
    await row.click();
    await row.and(this.page.locator('[aria-current="true"]')).waitFor();
  }

  async goLive(): Promise<void> {
    await this.page.getByTestId('timeline-live').click();
    await this.page.locator('[data-testid="timeline"]:not(.is-past)').waitFor();
  }

  editorText(): Promise<string> {
    return this.page.locator('.monaco-editor .view-lines').first().innerText();
  }

  async #focusEditor(): Promise<void> {
    await this.page.locator('.monaco-editor .view-lines').first().click();
  }
}
