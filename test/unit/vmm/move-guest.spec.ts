/** A guest that goes on in another VM: memory, CPUs, its IOMMU, its devices, and the programs that run in it. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../../src-main/linux/errno.ts';
import { MIGRATION_STATE as S } from '../../../src-main/linux/vfio/migration-state.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { moveGuest, moveProblem } from '../../../src-main/vmm/move-guest.ts';
import type { VfioPciDevice } from '../../../src-main/vmm/qemu/vfio-pci.ts';
import { Vm } from '../../../src-main/vmm/vm.ts';
import { createVdev } from '../../support/linux-idxd.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostPasidOf,
  openGuestApp,
  startGuest,
  type VsvaGuest,
  type VsvaLab,
} from '../../support/linux-vsva.ts';

const MEMORY = 40 * 2 ** 20;

/** A VM that has not booted, with a device of the same kind. */
function prepare(lab: VsvaLab, n: number, viommu = true): { vm: Vm; device: VfioPciDevice } {
  const host = createVdev(lab, 'dsa-1swq-v1', n);
  const vm = new Vm(lab.kvm, {
    name: `vm${n}`,
    memoryBytes: MEMORY,
    vcpus: 1,
    ...(viommu ? { viommu: {} } : {}),
  });
  const device = vm.plug(host.uuid);
  if (IS_ERR(device)) {
    throw new Error(`plug: ${device}`);
  }
  return { vm, device };
}

function migrated(lab: VsvaLab, source: VsvaGuest, n: number): VsvaGuest {
  const { vm, device } = prepare(lab, n);
  const from = defined(source.vm.qemu.devices[0], 'Device');
  expect(from.migration.setState(S.STOP_COPY)).toBe(0);
  const state = from.migration.read();
  if (typeof state === 'number') {
    throw new Error(`read: ${state}`);
  }
  expect(device.migration.setState(S.RESUMING)).toBe(0);
  expect(device.migration.write(state)).toBe(state.length);
  moveGuest(source.vm, vm);
  expect(device.migration.setState(S.RUNNING)).toBe(0);
  const host = defined(lab.kernel.idxd.vdcm.find(device.name), 'VDEV');
  return { ...source, vm, host, viommu: defined(vm.qemu.viommu, 'Unit') };
}

describe('a guest that moves', () => {
  it('goes on with its programs, under other PASIDs of the host, and needs its first VM no more', () => {
    const lab = bootVsva('iommufd', ['shared', 'shared']);
    const source = startGuest(lab, 1, 'shared');
    const app = openGuestApp(source, 'app');
    app.process.mm.write(app.memory, new TextEncoder().encode('before'));
    const copy = (at: number): number => {
      const { guest } = source;
      guest.instructions.enqcmd(app.process, app.portal, guestMove(app, { at, bytes: 6 }));
      guest.core.advance(500_000);
      return guestStatus(app, at);
    };
    expect(copy(0)).toBe(STATUS.success);
    const before = hostPasidOf(source, app);
    const destination = migrated(lab, source, 2);
    expect([source.vm.guest, destination.vm.guest]).toEqual([null, source.guest]);
    source.vm.shutdown();
    expect(hostPasidOf(destination, app)).not.toBe(before);
    app.process.mm.write(app.memory, new TextEncoder().encode('after!'));
    expect(copy(1)).toBe(STATUS.success);
    const result = app.process.mm.read(app.memory + 4096, 6);
    expect(result).toEqual(new TextEncoder().encode('after!'));
    const [last] = lab.rows('dsa.descriptor.enqueued').slice(-1);
    expect(last?.values['pasid']).toBe(hostPasidOf(destination, app));
    // A new program too, with an address space that the unit hears of there for the first time.
    const late = openGuestApp(destination, 'late');
    destination.guest.instructions.enqcmd(late.process, late.portal, guestMove(late));
    destination.guest.core.advance(2_000_000);
    expect(guestStatus(late)).toBe(STATUS.success);
  });

  it('finds its memory as it was, and takes the exits of the VM that it is in', () => {
    const lab = bootVsva('iommufd', ['shared', 'shared']);
    const source = startGuest(lab, 1, 'shared');
    const page = source.guest.pages.alloc(1, { owner: 'test' });
    source.guest.core.hw.memoryWrite(page, Uint8Array.of(1, 2, 3));
    const words = source.vm.port.memoryRead(0, MEMORY);
    const destination = migrated(lab, source, 2);
    expect(Buffer.compare(destination.vm.port.memoryRead(0, MEMORY), words)).toBe(0);
    source.vm.shutdown();
    expect(source.guest.core.hw.memoryRead(page, 3)).toEqual(Uint8Array.of(1, 2, 3));
    const exits = destination.vm.exits;
    source.guest.core.hw.configRead(source.dev.rid, 0, 4);
    expect(destination.vm.exits).toBeGreaterThan(exits);
  });

  it('goes only where it fits', () => {
    const lab = bootVsva('iommufd', ['shared', 'shared']);
    const source = startGuest(lab, 1, 'shared');
    const other = startGuest(lab, 2, 'shared');
    const without = prepare(lab, 3, false);
    const fitting = prepare(lab, 4);
    expect(moveProblem(source.vm, other.vm)).toBe('vm2 has booted already');
    expect(moveProblem(fitting.vm, without.vm)).toBe('No kernel runs in vm4');
    expect(moveProblem(source.vm, without.vm)).toContain('no IOMMU');
    expect(moveProblem(source.vm, fitting.vm)).toBeUndefined();
    fitting.vm.qemu.unplug(fitting.device);
    expect(moveProblem(source.vm, fitting.vm)).toContain('devices at no place');
    expect(() => moveGuest(source.vm, fitting.vm)).toThrow('devices at no place');
  });
});
