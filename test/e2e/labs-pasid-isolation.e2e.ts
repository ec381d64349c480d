import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('pasid-isolation', {
  solved: (open) => {
    it('shows the fault of the tenant that was cut off', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('page holds "BBBBBBBB"');
      await expect.poll(printed).toContain('refusal: EPERM');
      const faults = await window.view('fault-records');
      await expect.poll(() => faults.textContent()).toContain('59');
    });

    it('passes under the other kernel as well', async () => {
      const { window, printed } = open();
      await window.changeProfile('iommufd');
      await window.runToEnd();
      await window.passes();
      await expect.poll(printed).toContain('refusal: EINVAL');
    });
  },
});
