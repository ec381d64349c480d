import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vfio-dance', {
  solved: (open) => {
    it('shows the errors made on purpose, and the files that are open at the end', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('map twice -EEXIST');
      await expect.poll(printed).toContain('ATTACH_IOMMUFD_PT 0');
      const files = await window.view('vfio');
      await expect.poll(() => files.textContent()).toContain('iommufd');
    });
  },
});
