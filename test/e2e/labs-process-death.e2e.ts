import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('process-death', {
  solved: (open) => {
    it('prints that nobody was harmed, and shows the dedicated queue without a PASID', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('clients damaged by their predecessor: 0');
      await expect.poll(printed).toContain('submissions of the neighbour refused: 0');
      const queues = await window.view('work-queues');
      await expect.poll(() => queues.textContent()).toContain('dedicated');
    });
  },
});
