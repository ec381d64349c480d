import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('native-sva', (solved) => {
  it('prints what became of each copy, and shows page requests and their answers', async () => {
    const { window, page, printed } = solved();
    await window.pane('Console');
    await expect.poll(printed).toContain('blocking page request invalid');
    await expect.poll(printed).toContain('plain page fault');
    await window.pane('Page requests');
    const requests = page.getByTestId('view-page-requests');
    await expect.poll(() => requests.textContent()).toContain('invalid');
  });
});
