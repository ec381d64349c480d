import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('viommu-and-guest-iova', {
  solved: (open) => {
    it('prints what each copy brought, and shows the entry that is still nested', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('holds 0x22, copied 0x22');
      const unit = await window.view('viommu');
      await expect.poll(() => unit.textContent()).toContain('vm0');
    });
  },
});
