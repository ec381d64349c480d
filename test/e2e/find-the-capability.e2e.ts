import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow, solutionOf } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'find-the-capability';
const FILE = 'find-siov.ts';

describe('lab "Find the capability" in the window', () => {
  let host: TestHost;
  let browser: Browser;
  let lab: LabPage;
  let window: LabWindow;

  beforeAll(async () => {
    host = await startTestHost();
    browser = await launchChromium();
    lab = await openLabPage(browser, host.url, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    window = new LabWindow(lab.page);
    await window.openLab(LAB);
  });

  afterAll(async () => {
    await browser.close();
    await host.close();
  });

  it('never runs anything before Run is pressed', async () => {
    expect(await lab.page.getByTestId('run-state').textContent()).toContain('Not run');
    expect(await lab.page.getByTestId('checks-summary').textContent()).toContain('0 of');
  });

  it('completes iommu names in the editor', async () => {
    await window.replaceText("import * as iommu from 'linux/iommu';\niommu.");
    await lab.page.keyboard.type('iommu_');
    const suggestion = lab.page.locator('.suggest-widget .monaco-list-row', {
      hasText: 'iommu_alloc_global_pasid',
    });
    await suggestion.first().waitFor();
    await lab.page.keyboard.press('Escape');
  });

  it('fails with the starter, and says what was expected and found', async () => {
    await lab.page.getByTestId('reset-button').click();
    await lab.page.getByTestId('reset-confirm').click();
    await window.runToEnd();
    await expect.poll(() => lab.page.getByTestId('checks').textContent()).toContain('expected');
    expect(await lab.page.getByTestId('checks-summary').textContent()).not.toContain('4 of 4');
  });

  it('passes with the solution', async () => {
    await window.replaceText(solutionOf(LAB, FILE));
    await window.saved();
    await window.runToEnd();
    await expect
      .poll(() => lab.page.getByTestId('checks-summary').textContent())
      .toMatch(/(\d+) of \1 passed/);
  });

  it('shows the trace and goes back in time', async () => {
    await window.pane('Trace');
    const hash = (): Promise<string | null> => lab.page.getByTestId('state-hash').textContent();
    const live = await hash();
    // The list scrolls to its end when it appears: choose a row once it stands still.
    const second = lab.page.getByTestId('trace-row').nth(1);
    let chosen: string | null = null;
    await expect
      .poll(
        async () => {
          const former = chosen;
          chosen = await second.getAttribute('data-seq');
          // A row that is on its way has no number yet.
          return chosen !== null && chosen === former;
        },
        { interval: 400 },
      )
      .toBe(true);
    const row = lab.page.locator(`[data-testid="trace-row"][data-seq="${String(chosen)}"]`);
    await row.click();
    await expect.poll(() => lab.page.getByTestId('selection').textContent()).toContain('event');
    await expect.poll(hash).not.toBe(live);
    const early = await hash();
    await lab.page.getByTestId('timeline-live').click();
    await expect.poll(hash).toBe(live);
    await row.click();
    await expect.poll(hash).toBe(early);
    await lab.page.getByTestId('timeline-live').click();
  });

  it('stops an endless loop', async () => {
    await window.typeAtEnd('\nfor (;;) {}\n');
    await window.saved();
    await window.run();
    await window.stateBecomes(/Running/);
    await lab.page.getByTestId('stop-button').click();
    await window.stateBecomes(/Stopped/);
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });

  it('keeps the edits through a reload and a kill of the host', async () => {
    await window.replaceText('// kept through a kill\n');
    await window.saved();
    await lab.page.reload();
    await lab.page.locator('.monaco-editor .view-line').first().waitFor();
    expect(await window.editorText()).toContain('kept');
    await host.crashAndRestart();
    await lab.page.goto(host.url);
    const card = lab.page.getByTestId(`lab-card-${LAB}`);
    const line = lab.page.locator('.monaco-editor .view-line').first();
    await card.or(line).first().waitFor();
    if (await card.isVisible()) await card.click();
    await line.waitFor();
    await expect.poll(() => window.editorText()).toContain('kept');
  });
});
