/** VMs whose guests drive virtual accelerators with the same driver as the host: whole machines for tests. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IdxdDevice } from '../../src-main/linux/idxd/idxd-device.ts';
import type { IdxdVdev } from '../../src-main/linux/idxd/vdcm/vdev.ts';
import type { IdxdWq } from '../../src-main/linux/idxd/wq.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import type { VfioPciDevice } from '../../src-main/vmm/qemu/vfio-pci.ts';
import { Vm } from '../../src-main/vmm/vm.ts';
import { bootIdxd, createVdev, moveWords, type IdxdLab, type IdxdOptions } from './linux-idxd.ts';

const MIB = 2 ** 20;
const GUEST_BYTES = 40 * MIB;

export interface IdxdVmLab extends IdxdLab {
  readonly kvm: Kvm;
}

export interface PluggedVdev {
  readonly vm: Vm;
  /** As the host's VDCM has it. */
  readonly host: IdxdVdev;
  /** As the VMM has it. */
  readonly plugged: VfioPciDevice;
}

export interface IdxdGuest extends PluggedVdev {
  readonly guest: Kernel;
  /** The VDEV as the guest found it. */
  readonly dev: PciDev;
  readonly idxd: IdxdDevice;
  readonly wq: IdxdWq;
}

export function bootIdxdVms(options: IdxdOptions = {}): IdxdVmLab {
  const lab = bootIdxd({ memory: { bytes: 512 * MIB }, cpus: 4, ...options });
  return { ...lab, kvm: new Kvm(lab.kernel) };
}

/** A VM with a VDEV of this type, not booted. */
export function plugVdev(lab: IdxdVmLab, type: string, n: number): PluggedVdev {
  const host = createVdev(lab, type, n);
  const vm = new Vm(lab.kvm, { name: `vm${n}`, memoryBytes: GUEST_BYTES, vcpus: 1 });
  const plugged = vm.plug(host.uuid);
  if (IS_ERR(plugged)) {
    throw new Error(`plug: ${plugged}`);
  }
  return { vm, host, plugged };
}

/** Firmware and the guest's kernel, with its driver of the accelerator bound to the VDEV. */
export function bootGuest(vdev: PluggedVdev): IdxdGuest {
  const guest = vdev.vm.boot({ modules: ['idxd'], pci_features: 'driver' });
  const dev = defined(guest.pci.deviceAt(vdev.plugged.rid), 'VDEV in the guest');
  const idxd = defined(guest.idxd.deviceOf(dev), 'Driver in the guest');
  return { ...vdev, guest, dev, idxd, wq: defined(idxd.wqs[0], 'Queue in the guest') };
}

function write(guest: Kernel, path: string, text: string): void {
  const result = guest.sysfs.write(path, text);
  if (result < 0) {
    throw new Error(`${path}: ${result}`);
  }
}

/** Enable Device, as the guest's administrator does it. */
export function enableGuestDevice({ guest, wq, host }: IdxdGuest): void {
  const settings = {
    type: 'kernel',
    name: 'kernel',
    ...(host.wq.isDedicated ? { mode: 'dedicated' } : {}),
  };
  for (const [file, text] of Object.entries(settings)) {
    write(guest, `bus/dsa/devices/${wq.name}/${file}`, text);
  }
  write(guest, 'bus/dsa/drivers/idxd/bind', 'dsa0');
}

/** Enable WQ. */
export function enableGuestQueue({ guest, wq }: IdxdGuest): void {
  write(guest, 'bus/dsa/drivers/dsa/bind', wq.name);
}

/** Counts interrupts of vector 1, and gives the handle that descriptors name for it. */
export function listenToCompletions(of: IdxdGuest): {
  readonly handle: number;
  readonly count: () => number;
} {
  const { guest, dev, idxd } = of;
  let count = 0;
  guest.irqs.request_irq(
    guest.msix.pci_irq_vector(dev, 1),
    () => {
      count += 1;
    },
    'completion',
  );
  const handle = guest.idxd.idxd_device_request_int_handle(idxd, 1);
  return { handle, count: () => count };
}

export interface GuestCopy {
  readonly words: Uint32Array;
  status(): number;
  result(): string;
}

/** A copy inside the guest's memory, with the text to be copied in place. */
export function prepareCopy(
  { guest }: Pick<IdxdGuest, 'guest'>,
  text: string,
  options: { readonly handle?: number; readonly pasid?: number } = {},
): GuestCopy {
  const page = guest.pages.alloc(1, { owner: 'copy' });
  guest.core.hw.memoryWrite(page, new TextEncoder().encode(text));
  const words = moveWords({
    from: page,
    to: page + 0x400,
    bytes: text.length,
    record: page + 0x800,
    ...options,
  });
  // The guest's kernel asks for the interrupt: user descriptors may not (GENCFG).
  words[0] = ((words[0] ?? 0) | (2 ** 31)) >>> 0;
  return {
    words,
    status: () => guest.core.hw.memoryRead(page + 0x800, 1)[0] ?? 0,
    result: () => new TextDecoder().decode(guest.core.hw.memoryRead(page + 0x400, text.length)),
  };
}
