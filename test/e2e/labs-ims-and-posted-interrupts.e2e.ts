import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';
import { solutionOf } from '../support/lab-package.ts';

describeLabInWindow('ims-and-posted-interrupts', {
  failed: (open) => {
    it('runs no check behind the one that fails', async () => {
      await expect.poll(() => open().check('handle').textContent()).toContain('Not run');
    });
  },
  solved: (open) => {
    it('shows both interrupts in the guest, and the one that is posted', async () => {
      const { window, printed } = open();
      await expect.poll(printed).toContain('interrupt: 0000:00:03.0, vector 0');
      await expect.poll(printed).toContain('interrupt: 0000:00:04.0, vector 1');
      const posted = await window.view('posted-interrupts');
      await expect.poll(() => posted.textContent()).toContain('vm0');
    });

    it('sees the host’s handler come back when the bypass goes', async () => {
      const { window, check, printed } = open();
      const solution = solutionOf('ims-and-posted-interrupts', 'interrupts.ts');
      const bypass = '  irq_bypass_register_producer({ irq, token: ctx });\n';
      expect(solution).toContain(bypass);
      await window.openFile('interrupts.ts');
      await window.replaceText(solution.replace(bypass, ''));
      await window.saved();
      await window.runToEnd();
      await expect
        .poll(() => check('posted').textContent())
        .toContain('remapped to a CPU of the host, expected posted to the vCPU');
      await expect.poll(printed).toContain('{"External interrupt":1}');
    });
  },
});
