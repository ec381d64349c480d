/** VMs with virtual network adapters, and the small driver that each guest has for its own. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IceVdev } from '../../src-main/linux/ice/vdcm/ice-vdev.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import { DYN_CTL } from '../../src-main/spec/nic/registers.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import type { VfioPciDevice } from '../../src-main/vmm/qemu/vfio-pci.ts';
import { Vm } from '../../src-main/vmm/vm.ts';
import { uuidOf } from './linux-idxd.ts';
import { bootSiov, create, type SiovLab, type SiovOptions } from './linux-siov.ts';
import { VNIC_DOORBELLS, VNIC_MEMORY_PAGES, VnicRings } from './vnic-rings.ts';

const MIB = 2 ** 20;

export interface NicVmLab extends SiovLab {
  readonly kvm: Kvm;
}

export interface NicGuest {
  readonly vm: Vm;
  readonly guest: Kernel;
  readonly host: IceVdev;
  readonly plugged: VfioPciDevice;
  readonly rings: VnicRings;
  /** Interrupts of the queue pair that the guest handled. */
  interrupts(): number;
}

export function bootNicVms(options: SiovOptions = {}): NicVmLab {
  const lab = bootSiov('nic', {
    memory: { bytes: 512 * MIB },
    cpus: 4,
    device: { queuePairs: 8 },
    ...options,
  });
  return { ...lab, kvm: new Kvm(lab.kernel) };
}

/** A booted VM whose guest has found its adapter, started both rings and taken the interrupt. */
export function bootNicGuest(lab: NicVmLab, n: number): NicGuest {
  const created = create(lab, 'vdcm-1qp-v1', n);
  if (created < 0) {
    throw new Error(`create: ${created}`);
  }
  const vm = new Vm(lab.kvm, { name: `vm${n}`, memoryBytes: 40 * MIB, vcpus: 1 });
  const plugged = vm.plug(uuidOf(n));
  if (IS_ERR(plugged)) {
    throw new Error(`plug: ${plugged}`);
  }
  const guest = vm.boot();
  const dev = defined(guest.pci.deviceAt(plugged.rid), 'Adapter in the guest');
  guest.pci.pci_enable_device(dev);
  guest.pci.pci_set_master(dev);
  guest.msix.pci_alloc_irq_vectors(dev, 2, 2);
  let count = 0;
  guest.irqs.request_irq(
    guest.msix.pci_irq_vector(dev, 1),
    () => {
      count += 1;
    },
    'queue pair',
  );
  const bar = guest.pci.pci_resource_start(dev, 0);
  const { io } = guest;
  const rings = new VnicRings(
    {
      read: (offset) => io.readl(bar + offset),
      write: (offset, value) => io.writel(value, bar + offset),
      readDoorbell: (offset) => io.readl(bar + VNIC_DOORBELLS + offset),
      writeDoorbell: (offset, value) => io.writel(value, bar + VNIC_DOORBELLS + offset),
      readMemory: (address, bytes) => guest.core.hw.memoryRead(address, bytes),
      writeMemory: (address, bytes) => guest.core.hw.memoryWrite(address, bytes),
    },
    0,
    guest.pages.alloc(VNIC_MEMORY_PAGES, { owner: 'rings' }),
  );
  rings.start();
  io.writel(1, bar + VNIC_DOORBELLS + DYN_CTL.offset);
  const host = defined(lab.kernel.ice.vdcm.find(uuidOf(n)), 'VDEV');
  return { vm, guest, host, plugged, rings, interrupts: () => count };
}
