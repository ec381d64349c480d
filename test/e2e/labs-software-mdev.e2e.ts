import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('software-mdev', {
  solved: (open) => {
    it('shows what the administrator saw', async () => {
      const { printed } = open();
      await expect.poll(printed).toContain('when full single 0');
      await expect.poll(printed).toContain('left: [] [] []');
    });
  },
});
