import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('viommu-and-guest-iova', (solved) => {
  it('prints what each copy brought, and shows the entry that is still nested', async () => {
    const { window, page, printed } = solved();
    await window.pane('Console');
    await expect.poll(printed).toContain('holds 0x22, copied 0x22');
    await window.pane('vIOMMU');
    const unit = page.getByTestId('view-viommu');
    await expect.poll(() => unit.textContent()).toContain('vm0');
  });
});
