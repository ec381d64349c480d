import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vfs-versus-adis', {
  solved: (open) => {
    it('knows the helper files beside the script, and finds nothing wrong in their imports', async () => {
      const { window, page } = open();
      await window.openFile('compare.ts');
      await page.locator('.monaco-editor .view-lines').first().click();
      await page.keyboard.press('Control+End');
      await page.keyboard.type('\nadi_alloc(1);');
      const problem = page.locator('.squiggly-error');
      await problem.first().waitFor();
      await page.keyboard.press('Control+Home');
      await page.locator('.monaco-editor .view-line', { hasText: './adi.ts' }).first().waitFor();
      await expect.poll(() => problem.count()).toBe(0);
      await page.keyboard.press('Control+End');
      await page.keyboard.press('Control+Z');
      await problem.first().waitFor({ state: 'hidden' });
      await window.saved();
    });

    it('prints both costs, and the topology has the five virtual functions', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('context_entries: 4');
      await expect.poll(printed).toContain('context_entries: 0');
      const topology = await window.view('topology');
      await expect.poll(() => topology.textContent()).toContain('6a:01.5');
    });
  },
});
