import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vsva-dedicated', {
  solved: (open) => {
    it('prints what each program copied, and shows the pairs of numbers', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('copied cherries of red');
      await expect.poll(printed).toContain('copied damsons of blue');
      const sets = await window.view('ioasid');
      await expect.poll(() => sets.textContent()).toContain('ioasid_set2');
    });
  },
});
