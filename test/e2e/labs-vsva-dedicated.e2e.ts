import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vsva-dedicated', (solved) => {
  it('prints what each program copied, and shows the pairs of numbers', async () => {
    const { window, page, printed } = solved();
    await window.pane('Console');
    await expect.poll(printed).toContain('copied cherries of red');
    await expect.poll(printed).toContain('copied damsons of blue');
    await window.pane('IOASID sets');
    const sets = page.getByTestId('view-ioasid');
    await expect.poll(() => sets.textContent()).toContain('ioasid_set2');
  });
});
