import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('pasid-isolation', (solved) => {
  it('shows the fault of the tenant that was cut off', async () => {
    const { window, printed } = solved();
    await window.pane('Console');
    await expect.poll(printed).toContain('page holds "BBBBBBBB"');
    await expect.poll(printed).toContain('refusal: EPERM');
    const faults = await window.view('fault-records');
    await expect.poll(() => faults.textContent()).toContain('59');
  });

  it('passes under the other kernel as well', async () => {
    const { window, page, printed } = solved();
    await page.getByTestId('profile-menu').click();
    await page.getByTestId('menu-iommufd').click();
    await page.getByTestId('run-button').waitFor();
    await window.runToEnd();
    await expect
      .poll(() => page.getByTestId('checks-summary').textContent())
      .toMatch(/(\d+) of \1 passed/);
    await window.pane('Console');
    await expect.poll(printed).toContain('refusal: EINVAL');
  });
});
