import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('page-requests-across-the-vm', {
  solved: (open) => {
    it('prints how each copy ended, and shows the page requests of both guests', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('red 0: success');
      await expect.poll(printed).toContain('red 2: page request invalid');
      await expect.poll(printed).toContain('blue: the host has answered group');
      const requests = await window.view('page-requests');
      await expect.poll(() => requests.textContent()).toContain('invalid');
    });
  },
});
