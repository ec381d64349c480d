import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('migrate-a-busy-vdev', {
  failed: (open) => {
    it('prints which states the starter reaches although no way leads there', async () => {
      await expect.poll(open().printed).toContain('STOP_COPY to PRE_COPY: done, state 6');
    });
  },
  solved: (open) => {
    it('prints what was refused, how long the neighbour waited, and the copy that was handed in again', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('STOP_COPY to PRE_COPY: EINVAL, state 3');
      await expect.poll(printed).toContain('16 of 20 stores were taken');
      await expect.poll(printed).toContain('copy 32: success');
      await expect.poll(printed).toContain('copy 41: interrupt handle invalid');
      await expect.poll(printed).toContain('---- again');
      // Back here, vector 1 has an entry that it never had before.
      const interrupts = await window.view('interrupts');
      await expect.poll(() => interrupts.textContent()).toContain('IMS[2]');
    });
  },
});
