import { describe, expect, it } from 'vitest';
import { openLabForTests } from '../support/lab-in-window.ts';
import { solutionOf } from '../support/lab-package.ts';

const LAB = 'find-the-capability';
const FILE = 'find-siov.ts';

describe('lab "Find the capability" in the window', () => {
  const open = openLabForTests(LAB);

  it('never runs anything before Run is pressed', async () => {
    const { page } = open();
    await expect.poll(() => page.getByTestId('run-state').textContent()).toContain('Not run');
    await expect.poll(() => page.getByTestId('checks-summary').textContent()).toContain('0 of');
  });

  it('completes iommu names in the editor', async () => {
    const { window, page } = open();
    await window.replaceText("import * as iommu from 'linux/iommu';\niommu.");
    await page.keyboard.type('iommu_');
    const suggestion = page.locator('.suggest-widget .monaco-list-row', {
      hasText: 'iommu_alloc_global_pasid',
    });
    await suggestion.first().waitFor();
    await page.keyboard.press('Escape');
  });

  it('fails with the starter, and says what was expected and found', async () => {
    const { window, page } = open();
    await page.getByTestId('reset-button').click();
    await page.getByTestId('reset-confirm').click();
    await expect.poll(() => window.editorText()).not.toContain('iommu_');
    await window.runToEnd();
    await expect.poll(() => page.getByTestId('checks').textContent()).toContain('expected');
    expect(await page.getByTestId('checks-summary').textContent()).not.toContain('4 of 4');
  });

  it('passes with the solution', async () => {
    const { window } = open();
    await window.replaceText(solutionOf(LAB, FILE));
    await window.saved();
    await window.runToEnd();
    await window.passes();
  });

  it('shows the trace and goes back in time', async () => {
    const { window, page } = open();
    const row = await window.traceRow(1);
    const hash = (): Promise<string | null> => page.getByTestId('state-hash').textContent();
    const live = await hash();
    await window.goTo(row);
    await expect.poll(() => page.getByTestId('selection').textContent()).toContain('event');
    const early = await hash();
    expect(early).not.toBe(live);
    await window.goLive();
    expect(await hash()).toBe(live);
    await window.goTo(row);
    expect(await hash()).toBe(early);
    await window.goLive();
  });

  it('stops an endless loop', async () => {
    const { window, page } = open();
    await window.typeAtEnd('\nfor (;;) {}\n');
    await window.saved();
    await window.run();
    await window.stateBecomes(/Running/);
    await page.getByTestId('stop-button').click();
    await window.stateBecomes(/Stopped/);
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(open().problems).toEqual([]);
  });

  it('keeps the edits through a reload and a kill of the host', async () => {
    const { host, window, page } = open();
    await window.replaceText('// kept through a kill\n');
    await window.saved();
    const line = page.locator('.monaco-editor .view-line').first();
    await page.reload();
    await line.waitFor();
    await expect.poll(() => window.editorText()).toContain('kept');
    await host.crashAndRestart();
    await page.goto(host.url);
    const card = page.getByTestId(`lab-card-${LAB}`);
    await card.or(line).first().waitFor();
    if (await card.isVisible()) await card.click();
    await line.waitFor();
    await expect.poll(() => window.editorText()).toContain('kept');
  });
});
