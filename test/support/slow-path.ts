/** VMs that submit to a shared queue through portals that their VDCM traps. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IdxdVdev } from '../../src-main/linux/idxd/vdcm/vdev.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import { Vm } from '../../src-main/vmm/vm.ts';
import { createVdev, moveWords } from './linux-idxd.ts';
import type { LabOptions } from './linux-machine.ts';
import { bootIdxdVms, type IdxdVmLab } from './vm-idxd.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
/** Of each guest: source, target and completion records, one after the other. */
const PAGES = 3;

export const TEXT = 0x53;

export interface SlowGuest {
  readonly vm: Vm;
  readonly guest: Kernel;
  readonly host: IdxdVdev;
  /** Guest-physical address of the portal that is never mapped for a shared queue. */
  readonly portal: number;
  /** Guest-physical address of the pages that it copies between. */
  readonly memory: number;
}

/** One shared queue of 4 entries, all of which may be taken through either kind of portal. */
export function bootSlowPath(options: LabOptions): IdxdVmLab {
  return bootIdxdVms({
    // No virtual CPU makes way for another.
    cpus: 8,
    wqs: [{ mode: 'shared', type: 'mdev', size: 4, threshold: 4 }],
    ...options,
  });
}

/** A VM with two virtual CPUs and a VDEV on the shared queue. */
export function slowGuest(lab: IdxdVmLab, n: number): SlowGuest {
  const host = createVdev(lab, 'dsa-1swq-v1', n);
  const vm = new Vm(lab.kvm, { name: `vm${n}`, memoryBytes: 40 * MIB, vcpus: 2 });
  const plugged = vm.plug(host.uuid);
  if (IS_ERR(plugged)) {
    throw new Error(`plug: ${plugged}`);
  }
  const guest = vm.boot();
  const dev = defined(guest.pci.deviceAt(plugged.rid), 'VDEV in the guest');
  guest.pci.pci_enable_device(dev);
  guest.pci.pci_set_master(dev);
  return {
    vm,
    guest,
    host,
    portal: guest.pci.pci_resource_start(dev, 2),
    memory: guest.pages.alloc(PAGES, { owner: 'copy' }),
  };
}

/** A copy between a guest's pages. `pasid`: what its descriptor names, 0 for the guest itself. */
export function copyWords({ memory }: SlowGuest, pasid = 0): Uint32Array {
  return moveWords({
    from: memory,
    to: memory + PAGE,
    bytes: 64,
    record: memory + 2 * PAGE,
    pasid,
  });
}

/** The source holds a text, target and records nothing. */
export function prepare({ guest, memory }: SlowGuest): void {
  const { hw } = guest.core;
  hw.memoryWrite(memory, new Uint8Array(64).fill(TEXT));
  hw.memoryWrite(memory + PAGE, new Uint8Array(PAGE * 2));
}

export function copied({ guest, memory }: SlowGuest): boolean {
  return guest.core.hw.memoryRead(memory + PAGE, 1)[0] === TEXT;
}

/** An honest copy through the trapped portal. */
export function copiesSlowly(of: SlowGuest): boolean {
  prepare(of);
  of.vm.port.movdir64b(0, of.portal, copyWords(of));
  of.guest.core.advance(1_000_000);
  return copied(of);
}
