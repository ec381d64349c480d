import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';
import { solutionOf } from '../support/lab-package.ts';

const WRONG_PASID = solutionOf('first-vdev', 'driver.ts').replace(
  'idxd_wq_set_pasid(own.wq, pasid)',
  'idxd_wq_set_pasid(own.wq, pasid + 1)',
);

const lineOfEnable =
  WRONG_PASID.split('\n').findIndex((line) => line.includes('return idxd_wq_enable')) + 1;

describeLabInWindow('first-vdev', {
  failed: (open) => {
    it('runs no check behind the one that fails', async () => {
      await expect.poll(() => open().check('created').textContent()).toContain('Not run');
    });

    it('completes iommu names in the editor', async () => {
      const { window, page } = open();
      await window.openFile('driver.ts');
      await window.typeAtEnd('\niommu_att');
      await page
        .locator('.suggest-widget .monaco-list-row', { hasText: 'iommu_attach_device_pasid' })
        .first()
        .waitFor();
      await page.keyboard.press('Escape');
    });
  },
  solved: (open) => {
    it('prints what the descriptor copied', async () => {
      await expect.poll(open().printed).toContain('Hello from an assignable device interface');
    });

    it('shows the PASID entry of the new ADI, decoded', async () => {
      const tree = await open().window.view('pasid-table');
      const entry = tree.getByRole('treeitem').filter({ hasText: 'PASID 2' });
      await expect.poll(() => entry.textContent()).toMatch(/changed.*second-stage, domain 3/);
      await entry.click();
      for (const [field, value] of [
        ['PGTT', 'second stage'],
        ['DID', '3'],
      ] as const) {
        const option = tree.getByRole('option', { name: new RegExp(`^${field}\\b`) }).first();
        await option.focus();
        await expect.poll(() => option.textContent()).toContain(value);
      }
    });

    it('shows the queue with its PASID, and the descriptor that completed', async () => {
      const queues = await open().window.view('work-queues');
      await expect.poll(() => queues.textContent()).toContain('Memory Move');
      await expect.poll(() => queues.textContent()).toMatch(/success/i);
    });

    it('explains a wrong PASID: reason 59h, the walk, and the line', async () => {
      const { window, page, check } = open();
      await window.openFile('driver.ts');
      await window.replaceText(WRONG_PASID);
      await window.saved();
      await window.runToEnd();
      await expect
        .poll(() => check('pasid').textContent())
        .toContain('PASID entry 3 of 6a:01.0: P is 0, expected 1');
      const faults = await window.view('fault-records');
      await expect.poll(() => faults.textContent()).toContain('59h');
      await check('pasid').getByRole('button', { name: 'Why?' }).click();
      const why = page.getByTestId('why');
      await expect.poll(() => why.textContent()).toContain('59');
      await expect.poll(() => why.textContent()).toContain('PASID entry');
      await expect
        .poll(() => why.textContent())
        .toContain(`driver.ts, line ${String(lineOfEnable)}`);
    });
  },
});
