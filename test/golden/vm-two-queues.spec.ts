/**
 * Two VMs on one accelerator, each with a dedicated queue composed by the host's VDCM and driven by the guest's own idxd
 * driver: at the same guest addresses, under two PASIDs of one Requester ID.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { goldenLines } from '../support/golden-lines.ts';
import { dsaDevice, wqAt } from '../support/linux-idxd.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  plugVdev,
  prepareCopy,
  type IdxdGuest,
  type IdxdVmLab,
} from '../support/vm-idxd.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const DEDICATED = { mode: 'dedicated', type: 'mdev' } as const;

interface Tenant extends IdxdGuest {
  readonly completions: ReturnType<typeof listenToCompletions>;
}

function tenant(lab: IdxdVmLab, n: number): Tenant {
  const guest = bootGuest(plugVdev(lab, 'dsa-1dwq-v1', n));
  const completions = listenToCompletions(guest);
  enableGuestDevice(guest);
  enableGuestQueue(guest);
  return { ...guest, completions };
}

function scene(profile: (typeof PROFILES)[number]): {
  readonly lab: IdxdVmLab;
  readonly tenants: readonly [Tenant, Tenant];
} {
  const lab = bootIdxdVms({
    profile,
    devices: [dsaDevice({ wqs: 2 })],
    wqs: [DEDICATED, { ...DEDICATED, group: 1 }],
  });
  return { lab, tenants: [tenant(lab, 1), tenant(lab, 2)] };
}

function submit({ guest, wq }: Tenant, words: Uint32Array): void {
  expect(guest.idxd.idxd_submit_desc(wq, words)).toBe(0);
}

describe.each(PROFILES)('two VMs on one accelerator, %s', (profile) => {
  it('work side by side as recorded, with no exit', async () => {
    const { lab, tenants } = scene(profile);
    const copies = tenants.map((t, i) =>
      prepareCopy(t, `secret of tenant ${i}`, { handle: t.completions.handle }),
    );
    expect(copies[0]?.words.slice(4, 8)).toEqual(copies[1]?.words.slice(4, 8));
    const exits = tenants.map(({ vm }) => vm.exits);
    const from = lab.machine.trace.head;
    tenants.forEach((t, i) => submit(t, defined(copies[i], 'copy').words));
    tenants.forEach(({ guest }) => guest.core.advance(100_000));
    expect(tenants.map(({ vm }) => vm.exits)).toEqual(exits);
    expect(copies.map((copy) => [copy.status(), copy.result()])).toEqual([
      [STATUS.success, 'secret of tenant 0'],
      [STATUS.success, 'secret of tenant 1'],
    ]);
    expect(tenants.map(({ completions }) => completions.count())).toEqual([1, 1]);
    const queues = [0, 1].map((i) => wqAt(lab, i).read().pasid);
    expect(queues).toEqual(tenants.map(({ host }) => host.pasids.default));
    expect(new Set(queues).size).toBe(2);
    const lines = goldenLines(lab.rowsFrom(from));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(
      `./vm-two-queues-${profile}.golden.jsonl`,
    );
  });

  it('are apart: what one resets or steals is not felt by the other', () => {
    const { lab, tenants } = scene(profile);
    const [first, second] = tenants;
    // The handle of the other one is refused before anything is done.
    const theft = prepareCopy(first, 'theft', { handle: second.completions.handle });
    submit(first, theft.words);
    first.guest.core.advance(100_000);
    expect([theft.status(), theft.result()]).toEqual([
      STATUS.interruptHandle,
      '\0'.repeat('theft'.length),
    ]);
    second.guest.core.settle();
    expect(second.completions.count()).toBe(0);
    const canary = prepareCopy(second, 'canary', { handle: second.completions.handle });
    submit(second, canary.words);
    expect(first.idxd.command(COMMAND.resetDevice).error).toBe(0);
    expect(wqAt(lab, 0).read().state).toBe(0);
    first.guest.core.advance(100_000);
    second.guest.core.settle();
    expect([canary.status(), canary.result(), second.completions.count()]).toEqual([
      STATUS.success,
      'canary',
      1,
    ]);
    expect(wqAt(lab, 1).read().state).toBe(1);
  });
});
