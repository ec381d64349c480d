import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('work-queues-by-hand', {
  solved: (open) => {
    it('prints the reasons of the refusals and shows both queues', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('reserved 0x12 reserved field not zero');
      await expect.poll(printed).toContain('misaligned 0x0 not finished');
      const queues = await window.view('work-queues');
      await expect.poll(() => queues.textContent()).toContain('dedicated');
      await expect.poll(() => queues.textContent()).toContain('shared');
    });
  },
});
