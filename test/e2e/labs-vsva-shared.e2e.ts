import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vsva-shared', {
  solved: (open) => {
    it('prints which copies cost an exit and what forged numbers got, and shows who shares the queue', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('red apple 1');
      await expect.poll(printed).toContain('a number of nobody: ');
      await expect.poll(printed).toContain('General protection fault');
      const queues = await window.view('work-queues');
      await expect.poll(() => queues.textContent()).toContain('shared');
    });
  },
});
