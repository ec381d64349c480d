/**
 * What happens between a guest's store to its portal and the guest's interrupt handler, for two VMs on one accelerator:
 * every record of hardware and software, in order. An exit on the way would stand here.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import {
  bootGuest,
  bootVmLab,
  prepareCopy,
  textAt,
  vmUuid,
  type GuestDevice,
} from '../support/vm-lab.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;

describe.each(PROFILES)('fast path of two VMs, %s', (profile) => {
  const scene = () => {
    const lab = bootVmLab({ queues: ['dedicated', 'dedicated'] }, { profile });
    const devices = [1, 2].map((n) => bootGuest(lab, `vm${n}`, vmUuid(n), 'dedicated'));
    const copies = devices.map((device, i) => prepareCopy(device, `tenant ${i}`, device.handle()));
    const from = lab.machine.trace.head;
    devices.forEach((device, i) => {
      device.guest.io.iosubmit_cmds512(device.portals, defined(copies[i], 'copy').words);
      device.guest.core.advance(50_000);
    });
    const rows = lab.rows().filter((row) => row.seq >= from);
    return { devices, copies, rows };
  };

  it('is the recorded one, with both results right and no exit in it', async () => {
    const { devices, copies, rows } = scene();
    devices.forEach((device: GuestDevice, i) => {
      const { destination } = defined(copies[i], 'copy');
      expect(textAt(device.guest, destination, 8)).toBe(`tenant ${i}`);
      expect(device.interrupts).toEqual([0, 1]);
    });
    expect(rows.filter((row) => row.kind === 'cpu.vm.exited')).toEqual([]);
    const lines = rows.map(({ source, kind }) => JSON.stringify({ source, kind }));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(
      `./vm-fast-path-${profile}.golden.jsonl`,
    );
  });

  it('is the same twice, record for record', () => {
    const text = () =>
      JSON.stringify(scene().rows, (_, value: unknown) =>
        typeof value === 'bigint' ? value.toString(16) : value,
      );
    expect(text()).toBe(text());
  });
});
