import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { LabWindow, solutionOf } from '../support/lab-window.ts';
import { startTestHost, type TestHost } from '../support/web-host.ts';

const LAB = 'ims-and-posted-interrupts';

describe('lab "IMS and posted interrupts" in the window', () => {
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

  const check = (id: string): Locator => lab.page.getByTestId(`check-${id}`);
  const printed = (): Promise<string | null> => lab.page.getByTestId('console').textContent();

  it('fails with the starter, and says what a guest lacks', async () => {
    await window.runToEnd();
    await expect
      .poll(() => check('entries').textContent())
      .toContain('IMS entries is 0, expected 2');
    expect(await check('handle').textContent()).toContain('Not run');
  });

  it('passes with the solution', async () => {
    await window.solve(LAB);
    await window.runToEnd();
    await expect
      .poll(() => lab.page.getByTestId('checks-summary').textContent())
      .toContain('8 of 8 passed');
  });

  it('shows both interrupts in the guest, and the one that is posted', async () => {
    await window.pane('Console');
    await expect.poll(printed).toContain('interrupt: 0000:00:03.0, vector 0');
    await expect.poll(printed).toContain('interrupt: 0000:00:04.0, vector 1');
    const posted = await window.view('posted-interrupts');
    await expect.poll(() => posted.textContent()).toContain('vm0');
  });

  it('sees the host’s handler come back when the bypass goes', async () => {
    const solution = solutionOf(LAB, 'interrupts.ts');
    const bypass = '  irq_bypass_register_producer({ irq, token: ctx });\n';
    expect(solution).toContain(bypass);
    await window.openFile('interrupts.ts');
    await window.replaceText(solution.replace(bypass, ''));
    await window.saved();
    await window.runToEnd();
    await expect
      .poll(() => check('posted').textContent())
      .toContain('remapped to a CPU of the host, expected posted to the vCPU');
    await window.pane('Console');
    await expect.poll(printed).toContain('{"External interrupt":1}');
  });

  it('asked nothing of the world outside, and broke no policy', () => {
    expect(lab.problems).toEqual([]);
  });
});
