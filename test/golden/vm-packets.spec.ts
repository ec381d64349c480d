/**
 * Packets between two VMs with queue pairs of one network adapter: from the first guest's doorbell to the second guest's
 * interrupt handler and back, every milestone in order. An exit on the way would stand here.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import { goldenLines } from '../support/golden-lines.ts';
import { frameOf, BROADCAST_MAC } from '../support/nic-driver.ts';
import { bootNicGuest, bootNicVms, type NicGuest } from '../support/vm-nic.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const TRANSLATED = 2;

describe.each(PROFILES)('packets between two VMs, %s', (profile) => {
  const scene = (): {
    readonly lab: ReturnType<typeof bootNicVms>;
    readonly first: NicGuest;
    readonly second: NicGuest;
  } => {
    const lab = bootNicVms({ profile });
    const [first, second] = [1, 2].map((n) => bootNicGuest(lab, n));
    return { lab, first: defined(first, 'first'), second: defined(second, 'second') };
  };

  it('go to and fro as recorded, with no exit, each side by its own PASID', async () => {
    const { lab, first, second } = scene();
    const from = lab.machine.trace.head;
    const request = frameOf(second.rings.mac, first.rings.mac, 200, 1);
    const answer = frameOf(first.rings.mac, second.rings.mac, 60, 2);
    const start = lab.machine.trace.head;
    const exits = [first, second].map(({ vm }) => vm.exits);
    first.rings.send(request);
    first.guest.core.advance(100_000);
    second.guest.core.settle();
    expect(second.rings.received()).toEqual([request]);
    expect([first.interrupts(), second.interrupts()]).toEqual([1, 1]);
    second.rings.send(answer);
    second.guest.core.advance(100_000);
    first.guest.core.settle();
    expect(first.rings.received()).toEqual([answer]);
    expect([first.interrupts(), second.interrupts()]).toEqual([2, 2]);
    expect([first, second].map(({ vm }, i) => vm.exits - defined(exits[i], 'exits'))).toEqual([
      0, 0,
    ]);

    const rows = lab.rowsFrom(start);
    const pasids = (queue: number): ReadonlySet<unknown> =>
      new Set(
        rows
          .filter((r) => r.kind.startsWith('nic.packet') && r.values['queue'] === queue)
          .map((r) => r.values['pasid']),
      );
    expect(pasids(0)).toEqual(new Set([first.host.pasids.default]));
    expect(pasids(1)).toEqual(new Set([second.host.pasids.default]));
    const requests = rows.filter(
      (r) => r.kind === 'iommu.request.translated' && r.values['type'] !== TRANSLATED,
    );
    expect(new Set(requests.map((r) => r.values['rid']))).toEqual(new Set([lab.dev.rid]));
    const lines = goldenLines(lab.rowsFrom(from));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(
      `./vm-packets-${profile}.golden.jsonl`,
    );
  });

  it('reach nobody but their destination, and not under a borrowed address', () => {
    const { lab, first, second } = scene();
    const third = bootNicGuest(lab, 3);
    first.rings.send(frameOf(second.rings.mac, first.rings.mac));
    first.guest.core.advance(100_000);
    expect([second.rings.received().length, third.rings.received().length]).toEqual([1, 0]);
    first.rings.send(frameOf(second.rings.mac, third.rings.mac));
    first.guest.core.advance(100_000);
    expect(second.rings.received()).toEqual([]);
    first.rings.send(frameOf(BROADCAST_MAC, first.rings.mac));
    first.guest.core.advance(100_000);
    expect([second.rings.received().length, third.rings.received().length]).toEqual([1, 1]);
  });

  it('stop at a VM that dies, and the other one goes on', () => {
    const { lab, first, second } = scene();
    const third = bootNicGuest(lab, 3);
    const [pair] = second.host.pairs;
    const { mac } = second.rings;
    second.vm.kill();
    expect([pair?.pasid, pair?.registers.words(0, 1)[0]]).toEqual([null, 0]);
    first.rings.send(frameOf(mac, first.rings.mac));
    const frame = frameOf(third.rings.mac, first.rings.mac);
    first.rings.send(frame);
    first.guest.core.advance(200_000);
    expect(third.rings.received()).toEqual([frame]);
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
  });
});
