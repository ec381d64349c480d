import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('first-fast-path', {
  failed: (open) => {
    it('prints that a submission exits', async () => {
      await expect.poll(open().printed).toContain('Exits: {"EPT violation":1}');
    });
  },
  solved: (open) => {
    it('shows three submissions without an exit, and which pages are direct', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('dedicated, unlimited portal: success');
      // The console keeps the lines of earlier runs.
      const lines = await printed();
      const text = lines.slice(lines.lastIndexOf('dedicated queue, areas'));
      expect(text.match(/Exits: \{\}/g)).toHaveLength(3);
      expect(text.match(/Exits: \{"EPT violation":1\}/g)).toHaveLength(1);
      const ept = await window.view('ept');
      await expect.poll(() => ept.textContent()).toContain('BAR2');
    });
  },
});
