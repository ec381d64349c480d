/**
 * The QEMU-like process of one VM: guest RAM from its own pages, KVM, VFIO devices on the guest's root bus. Everything it
 * wants from the host it asks for by system calls of its process; when the process ends, closing its files undoes all.
 *
 * Not modelled: emulated devices, ballooning, an option ROM.
 */
import { invariant } from '../../bits/invariant.ts';
import type { MemoryRegion } from '../../sim/index.ts';
import { memoryRegions } from '../../sim/index.ts';
import { EINVAL, ENOSPC, IS_ERR } from '../../linux/errno.ts';
import { MAP, PROT } from '../../linux/mm/mm.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { Kvm } from '../kvm/kvm.ts';
import { KvmVm } from '../kvm/kvm-vm.ts';
import { createViommu } from '../viommu/create-viommu.ts';
import { pasidTypeOf } from '../viommu/pasid-type.ts';
import type { Viommu, ViommuOptions } from '../viommu/viommu.ts';
import { createBackend, type RamSection, type VfioBackend } from './vfio-backend.ts';
import { VfioPciDevice } from './vfio-pci.ts';
import { VfioDeviceFd } from './vfio-requests.ts';

export interface QemuOptions {
  readonly name: string;
  readonly memoryBytes: number;
  readonly vcpus: number;
  /** The CPUs take posted interrupts without an exit (APICv). True when absent. */
  readonly hasPosting?: boolean;
  /** KVM translates PASIDs in ENQCMD and ENQCMDS of the guest. True when absent. */
  readonly hasPasidTranslation?: boolean;
  /** RLIMIT_MEMLOCK of the process; as much as the guest has, and a bit, when absent. */
  readonly memlockBytes?: number;
  /** `-device intel-iommu`: the guest gets a VT-d unit. */
  readonly viommu?: ViommuOptions;
}

const HUGE_BYTES = 2 * 1024 * 1024;
const MEMLOCK_SPARE = 64 * 1024 * 1024;
/** Slots 0 to 2 of the root bus are the chipset's. */
const FIRST_SLOT = 3;
const SLOTS = 32;

export class Qemu {
  readonly name: string;
  readonly process: Process;
  readonly vm: KvmVm;
  readonly memoryBytes: number;
  /** Null without. */
  readonly viommu: Viommu | null;
  readonly #kvm: Kvm;
  readonly #backend: VfioBackend;
  readonly #devices = new Map<number, VfioPciDevice>();
  readonly #kvmFds = new Set<number>();

  constructor(kvm: Kvm, options: QemuOptions) {
    const { kernel } = kvm;
    const { name, memoryBytes } = options;
    invariant(memoryBytes % HUGE_BYTES === 0, `Memory of ${name} must be a multiple of 2 MiB`);
    this.#kvm = kvm;
    this.name = name;
    this.memoryBytes = memoryBytes;
    this.process = kernel.processes.create(`qemu-${name}`, {
      memlockBytes: options.memlockBytes ?? memoryBytes + MEMLOCK_SPARE,
    });
    const ram = kernel.calls.mmap(this.process, {
      length: memoryBytes,
      prot: PROT.READ | PROT.WRITE,
      flags: MAP.SHARED | MAP.ANONYMOUS | MAP.HUGETLB,
      fd: -1,
      offset: 0,
    });
    invariant(ram > 0, `No memory for ${name}: ${ram}`);
    this.vm = new KvmVm(kvm, {
      name,
      process: this.process,
      vcpus: options.vcpus,
      memoryBytes,
      hasPosting: options.hasPosting ?? true,
      hasPasidTranslation: options.hasPasidTranslation ?? true,
    });
    this.process.files.install(this.vm);
    const sections = memoryRegions(memoryBytes).map((region) => this.#section(region, ram));
    for (const { gpa, bytes, hva } of sections) {
      const slot = this.vm.addSlot(gpa, bytes, hva, gpa === 0 ? 'low memory' : 'memory');
      invariant(slot >= 0, `Memory slot of ${name} at ${gpa} failed: ${slot}`);
    }
    const { viommu } = options;
    this.#backend = createBackend({
      kernel,
      process: this.process,
      sections,
      isNestParent: viommu !== undefined,
    });
    this.viommu =
      viommu === undefined
        ? null
        : createViommu(
            {
              kernel,
              vm: this.vm,
              context: () => this.#backend.nesting,
              devices: () => this.devices,
            },
            viommu,
          );
  }

  get devices(): readonly VfioPciDevice[] {
    return [...this.#devices.values()];
  }

  deviceAt(rid: number): VfioPciDevice | undefined {
    return this.#devices.get(rid);
  }

  /** Device and place behind a guest-physical address. */
  find(
    gpa: number,
  ): { readonly device: VfioPciDevice; readonly bar: number; readonly offset: number } | undefined {
    for (const device of this.#devices.values()) {
      const place = device.find(gpa);
      if (place !== undefined) {
        return { device, ...place };
      }
    }
    return undefined;
  }

  /**
   * Host PASID behind a number that the guest's unit has an entry for; 0 is what requests without one use. Without a unit
   * the guest has no PASIDs.
   */
  hostPasid(guestPasid: number): number | undefined {
    const { vfio } = this.#kvm.kernel;
    for (const { name } of this.viommu === null ? [] : this.devices) {
      const vdev = vfio.devices.find((d) => d.name === name);
      if (vdev === undefined) {
        continue;
      }
      const host = guestPasid === 0 ? vfio.defaultPasid(vdev) : vfio.hostPasid(vdev, guestPasid);
      if (host > 0) {
        return host;
      }
    }
    return undefined;
  }

  /** `-device vfio-pci,sysfsdev=...`: the device on the guest's bus, or a negative error number. */
  plug(name: string): VfioPciDevice | number {
    const slot = Array.from({ length: SLOTS - FIRST_SLOT }, (_, i) => FIRST_SLOT + i).find(
      (s) => !this.#devices.has(s << 3),
    );
    if (slot === undefined) {
      return -ENOSPC;
    }
    if (this.#mixesPasidTypes(name)) {
      return -EINVAL;
    }
    const opened = this.#backend.open(name);
    if (IS_ERR(opened)) {
      return opened;
    }
    const { kernel } = this.#kvm;
    const { fd, kvmFd } = opened;
    if (!this.#kvmFds.has(kvmFd)) {
      this.#kvmFds.add(kvmFd);
      this.vm.addVfioFile(kvmFd);
    }
    const device = new VfioPciDevice({
      kernel,
      process: this.process,
      vm: this.vm,
      device: new VfioDeviceFd(kernel, this.process, fd),
      name,
      rid: slot << 3,
    });
    this.#devices.set(device.rid, device);
    this.viommu?.plugged();
    return device;
  }

  /** Takes a device from the guest. */
  unplug(device: VfioPciDevice): void {
    this.viommu?.unplugged(device.name);
    device.close();
    this.#devices.delete(device.rid);
  }

  /** `system_reset`: every device goes back to its state after power-on. */
  reset(): void {
    this.viommu?.reset();
    this.devices.forEach((device) => device.reset());
  }

  /** Orderly end: devices first, then the process. */
  shutdown(): void {
    this.viommu?.close();
    this.devices.forEach((device) => this.unplug(device));
    this.viommu?.vanish();
    this.#kvm.kernel.processes.exit(this.process);
  }

  /** The process is killed: the kernel closes what it had open, and nothing else happens. */
  kill(): void {
    const { core, processes } = this.#kvm.kernel;
    this.viommu?.vanish();
    processes.kill(this.process, 'SIGKILL');
    for (const { name } of this.devices) {
      core.publish(`vm/${this.name}/device/${name}`, undefined);
    }
    this.#devices.clear();
  }

  /** With PASIDs of its own the VM can have devices of one type only. */
  #mixesPasidTypes(name: string): boolean {
    const { kernel } = this.#kvm;
    const type = pasidTypeOf(kernel, name);
    const types = this.devices.map((device) => pasidTypeOf(kernel, device.name));
    return (
      this.viommu !== null &&
      type !== undefined &&
      types.some((other) => other !== undefined && other !== type)
    );
  }

  #section(region: MemoryRegion, ram: number): RamSection {
    const isHigh = region.base >= this.memoryBytes;
    // The hole below 4 GiB takes no memory of the process: what lies above it follows what lies below.
    const offset = isHigh ? this.memoryBytes - region.bytes : region.base;
    return { gpa: region.base, bytes: region.bytes, hva: ram + offset };
  }
}
