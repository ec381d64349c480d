/** A host with an accelerator, KVM, and VMs that have queues of it: whole machines for tests of the VMM. */
import { bootLab, type Lab, type LabOptions } from './linux-machine.ts';
import {
  QueueParent,
  HANDLE,
  DOORBELL,
  type QueueMode,
  type QueueParentOptions,
} from './queue-parent.ts';
import { descriptor, decodeRecord } from './dsa-driver.ts';
import { defined } from '../../src-main/bits/invariant.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../src-main/spec/dsa/operations.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import type { QemuOptions } from '../../src-main/vmm/qemu/qemu.ts';
import type { VfioPciDevice } from '../../src-main/vmm/qemu/vfio-pci.ts';
import { Vm } from '../../src-main/vmm/vm.ts';

export const MIB = 2 ** 20;

export interface VmLab extends Lab {
  readonly kvm: Kvm;
  readonly parent: QueueParent;
  readonly dsa: PciDev;
}

export interface GuestDevice {
  readonly vm: Vm;
  readonly guest: Kernel;
  readonly vdev: VfioPciDevice;
  /** As the guest's PCI core found it. */
  readonly dev: PciDev;
  readonly bar0: number;
  readonly portals: number;
  readonly uuid: string;
  /** IMS entry behind vector 1. */
  handle(): number;
  /** Interrupts the guest handled, by MSI-X vector. */
  readonly interrupts: [number, number];
}

export function vmUuid(n: number): string {
  return `0f0e0d0c-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

export function bootVmLab(parent: QueueParentOptions, options: LabOptions = {}): VmLab {
  const lab = bootLab({
    memory: { bytes: 512 * MIB },
    cpus: 4,
    devices: [{ kind: 'dsa', name: 'dsa0', bdf: '6a:01.0' }],
    // ATS stays off: the unit of the lab takes no translated requests with a PASID.
    params: { pci_features: 'driver' },
    ...options,
  });
  const dsa = defined(lab.kernel.pci.deviceAt(0x6a08), 'The accelerator');
  return {
    ...lab,
    kvm: new Kvm(lab.kernel),
    parent: new QueueParent(lab.kernel, dsa, parent),
    dsa,
  };
}

/** A VM with one VDEV on a queue of this mode, not booted. */
export function startVm(
  lab: VmLab,
  name: string,
  uuid: string,
  mode: QueueMode,
  options: Partial<QemuOptions> = {},
): { readonly vm: Vm; readonly vdev: VfioPciDevice } {
  const created = lab.parent.create(uuid, mode);
  if (created < 0) {
    throw new Error(`create of ${uuid} gave ${created}`);
  }
  const vm = new Vm(lab.kvm, { name, memoryBytes: 40 * MIB, vcpus: 1, ...options });
  const vdev = vm.plug(uuid);
  if (IS_ERR(vdev)) {
    throw new Error(`plug of ${uuid} gave ${vdev}`);
  }
  return { vm, vdev };
}

/** A booted VM whose guest kernel has found its VDEV, enabled it and taken both interrupts. */
export function bootGuest(
  lab: VmLab,
  name: string,
  uuid: string,
  mode: QueueMode,
  options: Partial<QemuOptions> = {},
): GuestDevice {
  const { vm, vdev } = startVm(lab, name, uuid, mode, options);
  const guest = vm.boot();
  const dev = defined(guest.pci.deviceAt(vdev.rid), `VDEV of ${name}`);
  guest.pci.pci_enable_device(dev);
  guest.pci.pci_set_master(dev);
  const bar0 = guest.pci.pci_resource_start(dev, 0);
  const interrupts: [number, number] = [0, 0];
  guest.msix.pci_alloc_irq_vectors(dev, 2, 2);
  ([0, 1] as const).forEach((i) => {
    guest.irqs.request_irq(
      guest.msix.pci_irq_vector(dev, i),
      () => {
        interrupts[i] += 1;
      },
      `vector${i}`,
    );
  });
  guest.io.writel(1, bar0 + DOORBELL);
  return {
    vm,
    guest,
    vdev,
    dev,
    bar0,
    portals: guest.pci.pci_resource_start(dev, 2),
    uuid,
    handle: () => guest.io.readl(bar0 + HANDLE),
    interrupts,
  };
}

export interface Copy {
  readonly source: number;
  readonly destination: number;
  readonly record: number;
  readonly words: Uint32Array;
}

/** Guest pages and a memory move over them, with a completion interrupt when a handle is given. */
export function prepareCopy({ guest }: GuestDevice, text: string, handle = -1): Copy {
  const page = (what: string): number => guest.pages.alloc(1, { owner: what });
  const source = page('source');
  const destination = page('destination');
  const record = page('record');
  guest.core.hw.memoryWrite(source, new TextEncoder().encode(text));
  const flags =
    FLAG.recordAddressValid | FLAG.requestRecord | (handle >= 0 ? FLAG.requestInterrupt : 0);
  const words = descriptor(
    OPCODE.memoryMove,
    {
      recordAddress: BigInt(record),
      source: BigInt(source),
      destination: BigInt(destination),
      size: text.length,
      ...(handle >= 0 ? { interruptHandle: handle } : {}),
    },
    flags,
  );
  return { source, destination, record, words };
}

export function textAt(kernel: Kernel, address: number, length: number): string {
  return new TextDecoder().decode(kernel.core.hw.memoryRead(address, length));
}

/** Completion record of a copy. */
export function recordOf({ guest }: GuestDevice, copy: Copy): Record<string, number | bigint> {
  return decodeRecord(OPCODE.memoryMove, guest.core.hw.memoryRead(copy.record, 32));
}
