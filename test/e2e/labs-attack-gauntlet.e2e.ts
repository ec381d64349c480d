import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('attack-gauntlet', {
  solved: (open) => {
    it('prints what answered each attack, and the pane knows of no breach', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('benign dora 2: 0x1');
      await expect.poll(printed).toContain('8.2a: EINVAL');
      await expect.poll(printed).toContain('8.1d: 0x26');
      await expect.poll(printed).toContain('8.8: 0x0');
      const isolation = await window.view('isolation');
      await expect.poll(() => isolation.textContent()).toContain('No device has left the memory');
    });
  },
});
