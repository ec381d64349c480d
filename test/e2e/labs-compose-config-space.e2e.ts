import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('compose-config-space', {
  failed: (open) => {
    it('runs no check behind the one that fails', async () => {
      await expect.poll(() => open().check('read-only').textContent()).toContain('Not run');
    });
  },
  solved: (open) => {
    it('shows what the guest found, in its console and in the pane of the VDEV', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('MSI-X vectors: 2');
      await expect.poll(printed).toContain('bus master off: halted, software error 0x51');
      const vdev = await window.view('vdev');
      await expect.poll(() => vdev.textContent()).toContain('MSI-X');
      await expect.poll(() => vdev.textContent()).toContain('halted');
    });
  },
});
