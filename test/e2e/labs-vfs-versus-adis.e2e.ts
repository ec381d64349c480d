import { expect, it } from 'vitest';
import { describeLabInWindow } from '../support/lab-in-window.ts';

describeLabInWindow('vfs-versus-adis', (solved) => {
  it('prints both costs, and the topology has the five virtual functions', async () => {
    const { window, printed } = solved();
    await window.pane('Console');
    await expect.poll(printed).toContain('context_entries: 4');
    await expect.poll(printed).toContain('context_entries: 0');
    const topology = await window.view('topology');
    await expect.poll(() => topology.textContent()).toContain('6a:01.5');
  });
});
