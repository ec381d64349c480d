import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('native-sva', {
  solved: (open) => {
    it('prints what became of each copy, and shows page requests and their answers', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('blocking page request invalid');
      await expect.poll(printed).toContain('plain page fault');
      const requests = await window.view('page-requests');
      await expect.poll(() => requests.textContent()).toContain('invalid');
    });
  },
});
