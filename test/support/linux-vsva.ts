/** Guests whose processes hand plain pointers to a virtual accelerator, through a virtual IOMMU. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { IdxdDevice } from '../../src-main/linux/idxd/idxd-device.ts';
import type { IdxdVdev } from '../../src-main/linux/idxd/vdcm/vdev.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { MAP } from '../../src-main/linux/mm/mm.ts';
import type { Process } from '../../src-main/linux/mm/process.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import type { ViommuOptions, Viommu } from '../../src-main/vmm/viommu/viommu.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import { Vm } from '../../src-main/vmm/vm.ts';
import {
  bootIdxd,
  createVdev,
  moveWords,
  wqAt,
  type IdxdHost,
  type IdxdLab,
  type IdxdOptions,
  type WqPlan,
} from './linux-idxd.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const RW = 3;

export interface VsvaLab extends IdxdLab {
  readonly kvm: Kvm;
}

export interface VsvaGuest {
  readonly vm: Vm;
  readonly guest: Kernel;
  readonly viommu: Viommu;
  readonly host: IdxdVdev;
  /** The VDEV as the guest found it. */
  readonly dev: PciDev;
  readonly idxd: IdxdDevice;
}

export interface VsvaApp {
  readonly process: Process;
  readonly fd: number;
  readonly portal: number;
  /** 16 pages that nobody has touched. */
  readonly memory: number;
  /** A page that is there from the start. */
  readonly records: number;
}

/** A host whose queue retries page faults; `queues` in the order of their numbers. */
export function bootVsva(
  profile: 'kvmforum2019' | 'iommufd',
  queues: readonly ('shared' | 'dedicated')[],
  options: IdxdOptions = {},
): VsvaLab {
  const wqs = queues.map((mode): WqPlan => ({ mode, type: 'mdev', enable: false }));
  const lab = bootIdxd({ memory: { bytes: 512 * MIB }, cpus: 4, profile, wqs, ...options });
  queues.forEach((_, i) => {
    const { name } = wqAt(lab, i);
    for (const [path, text] of [
      [`bus/dsa/devices/${name}/block_on_fault`, '1'],
      ['bus/dsa/drivers/dsa/bind', name],
    ] as const) {
      const result = lab.sysfsWrite(path, text);
      if (result < 0) {
        throw new Error(`${path}: ${result}`);
      }
    }
  });
  return { ...lab, kvm: new Kvm(lab.kernel) };
}

/** A booted VM with a VDEV of this kind of queue, its device enabled, its queue open to processes. */
export function startGuest(
  lab: IdxdHost & { readonly kvm: Kvm },
  n: number,
  mode: 'shared' | 'dedicated',
  viommu: ViommuOptions = {},
): VsvaGuest {
  const host = createVdev(lab, mode === 'shared' ? 'dsa-1swq-v1' : 'dsa-1dwq-v1', n);
  const vm = new Vm(lab.kvm, { name: `vm${n}`, memoryBytes: 40 * MIB, vcpus: 1, viommu });
  const plugged = vm.plug(host.uuid);
  if (IS_ERR(plugged)) {
    throw new Error(`plug: ${plugged}`);
  }
  const guest = vm.boot({ modules: ['idxd'] });
  const dev = defined(guest.pci.deviceAt(plugged.rid), 'VDEV in the guest');
  const idxd = defined(guest.idxd.deviceOf(dev), 'Driver in the guest');
  const wq = defined(idxd.wqs[0], 'Queue in the guest');
  const put = (path: string, text: string): void => {
    const result = guest.sysfs.write(path, text);
    if (result < 0) {
      throw new Error(`guest ${path}: ${result}`);
    }
  };
  if (mode === 'dedicated') {
    put(`bus/dsa/devices/${wq.name}/mode`, 'dedicated');
    put(`bus/dsa/devices/${wq.name}/block_on_fault`, '1');
  }
  put(`bus/dsa/devices/${wq.name}/type`, 'user');
  put(`bus/dsa/devices/${wq.name}/name`, 'app');
  put('bus/dsa/drivers/idxd/bind', 'dsa0');
  put('bus/dsa/drivers/dsa/bind', wq.name);
  return { vm, guest, viommu: defined(vm.qemu.viommu, 'Virtual IOMMU'), host, dev, idxd };
}

export function openGuestApp({ guest, idxd }: VsvaGuest, name: string): VsvaApp {
  const { calls } = guest;
  const process = guest.processes.create(name, { capabilities: ['CAP_SYS_RAWIO'] });
  const fd = calls.open(process, `/dev/dsa/${defined(idxd.wqs[0], 'Queue').name}`);
  if (fd < 0) {
    throw new Error(`open: ${fd}`);
  }
  const map = (pages: number, flags: number): number =>
    calls.mmap(process, { length: pages * PAGE, prot: RW, flags, fd: -1, offset: 0 });
  const anonymous = MAP.PRIVATE | MAP.ANONYMOUS;
  return {
    process,
    fd,
    portal: calls.mmap(process, { length: PAGE, prot: 2, flags: MAP.SHARED, fd, offset: 0 }),
    memory: map(16, anonymous),
    records: map(1, anonymous | MAP.POPULATE),
  };
}

/** A move of the first page onto the second that waits at missing pages; its record goes to slot `at`. */
export function guestMove(
  app: VsvaApp,
  plan: {
    readonly from?: number;
    readonly to?: number;
    readonly bytes?: number;
    readonly at?: number;
  } = {},
): Uint32Array {
  const words = moveWords({
    from: plan.from ?? app.memory,
    to: plan.to ?? app.memory + PAGE,
    bytes: plan.bytes ?? 64,
    record: app.records + (plan.at ?? 0) * 64,
  });
  words[1] = ((words[1] ?? 0) | FLAG.blockOnFault) >>> 0;
  return words;
}

export function guestStatus(app: VsvaApp, at = 0): number {
  const read = app.process.mm.read(app.records + at * 64, 1);
  return typeof read === 'number' ? read : (read[0] ?? 0);
}

/** Host PASID behind a process of a guest. */
export function hostPasidOf({ host }: VsvaGuest, app: VsvaApp): number {
  const guestPasid = app.process.mm.pasid ?? -1;
  return host.pasids.all.find((pasid) => host.pasids.guestOf(pasid) === guestPasid) ?? -1;
}

export function hostEntry(lab: VsvaLab, pasid: number) {
  return defined(lab.kernel.iommu.driver?.info(lab.dev)?.pasidTable, 'PASID table').read(pasid);
}
