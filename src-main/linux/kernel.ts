/**
 * A Linux-like kernel over a machine: `createKernel({ hw, role, profile })`. The host has one, and every guest that runs
 * software has its own over its own view of memory and registers; nothing is shared between instances.
 *
 * Subsystems keep Linux's names and errno semantics. Every call of an exported function leaves a record, every table entry
 * it writes another (`spec/events/linux.ts`).
 *
 * ## What is published
 *
 * The present state of software objects, for panes and checks (`HardwarePort.publish`). Keys of a guest kernel start with
 * `guest/<name>/`. `<dev>` is a PCI name such as `0000:6a:01.0`.
 *
 * | key | what |
 * |---|---|
 * | `sysfs/<path>` | `{ kind: directory \| file \| link, value, target, isReadable, isWritable }`, path below /sys |
 * | `dev/<path>` | a node of /dev |
 * | `pci/<dev>` | driver, BARs, PASID, PRI and ATS as the PCI core sees them, MSI-X interrupts |
 * | `iommu/unit/dmar0` | mode, root table, invalidation queue |
 * | `iommu/group/<n>` | members, default domain, domain in use, DMA owner, domains by PASID |
 * | `iommu/domain/<n>` | type, format, DID, root, attachments, references |
 * | `iommu/domain/<n>/map/<iova>` | one mapped range |
 * | `pasid/<n>` | owner of an allocated PASID |
 * | `ioasid/<n>`, `ioasid/set/<name>` | references, state, SPID; quota and members (2019 profile) |
 * | `process/<name>` | pid, CPU, IA32_PASID, page table, areas, counters |
 * | `pins/<name>` | pages a process has locked |
 * | `fd/<process>/<n>` | open file and its state |
 * | `eventfd/<n>` | count and total |
 * | `irq/<n>` | chip, vector, CPU, remapping entry, posted target |
 * | `mdev/parent/<dev>`, `mdev/<uuid>` | types and counters; parent, type, state |
 * | `vfio/container/<n>`, `vfio/group/<n>`, `vfio/device/<name>` | states of the descriptor state machine, DMA ranges |
 * | `iommufd/<n>/<id>` | an object of an open /dev/iommu |
 * | `idxd/<dev>`, `idxd/<dev>/wq<n>`, `idxd/<dev>/group<n>` | configuration as the driver holds it |
 * | `ice/<dev>`, `ice/<dev>/qp<n>` | adapter; owner and PASID of a queue pair |
 * | `qat/<dev>`, `qat/<dev>/rp<n>` | accelerator; owner, service and PASID of a ring pair |
 * | `ims/<dev>/<n>` | interrupt message store entry: interrupt, PASID |
 * | `vdev/<uuid>` | composition: queue, default PASID, state, vectors, configuration space and BAR0 as hexadecimal |
 */
import { Core, type KernelOptions } from './core/core.ts';
import { EAGAIN, ENOENT } from './errno.ts';
import { DeviceNodes } from './core/files.ts';
import { Sysfs } from './core/sysfs.ts';
import { AuxDomains } from './iommu/aux-domain.ts';
import { Idxd } from './idxd/idxd.ts';
import { Ice } from './ice/ice.ts';
import { DmaApi } from './iommu/dma.ts';
import { GuestPasids } from './iommu/guest-pasids.ts';
import { IntelIommu } from './iommu/intel/intel-iommu.ts';
import { IommuUnit } from './iommu/intel/unit.ts';
import { VirtualCommands } from './iommu/intel/virtual-command.ts';
import { Ioasids } from './iommu/ioasid.ts';
import { Iommu } from './iommu/iommu.ts';
import { Sva } from './iommu/sva.ts';
import { PasidPool } from './iommu/pasid-pool.ts';
import { IrqBypass } from './irq/irq-bypass.ts';
import { Irqs } from './irq/irq.ts';
import { Iommufd } from './iommufd/iommufd.ts';
import { Mdev } from './mdev/mdev.ts';
import { Instructions } from './mm/instructions.ts';
import { PageAllocator } from './mm/page-allocator.ts';
import { Processes } from './mm/process.ts';
import { UserPages } from './mm/user-pages.ts';
import { Io } from './pci/io.ts';
import { PciIov } from './pci/iov.ts';
import { Msix } from './pci/msix.ts';
import { Pci, type PciDriver } from './pci/pci.ts';
import { Qat } from './qat/qat.ts';
import { SystemCalls } from './uapi/system-calls.ts';
import { createVfioMdev } from './vfio/vfio-mdev.ts';
import { createVfioPciDriver } from './vfio/vfio-pci.ts';
import { Vfio } from './vfio/vfio.ts';

export type { KernelOptions, KernelProfile, KernelRole } from './core/core.ts';

/** A driver that is loaded on request. */
interface KernelModule {
  load(): number;
  unload(): void;
  /** Open files hold references of the module. */
  readonly isInUse: boolean;
}

export class Kernel {
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly nodes: DeviceNodes;
  readonly pages: PageAllocator;
  readonly userPages: UserPages;
  readonly processes: Processes;
  readonly instructions: Instructions;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly pci: Pci;
  readonly iov: PciIov;
  readonly msix: Msix;
  readonly io: Io;
  readonly iommu: Iommu;
  readonly pasids: PasidPool;
  readonly ioasids: Ioasids;
  readonly aux: AuxDomains;
  readonly guestPasids: GuestPasids;
  readonly dma: DmaApi;
  readonly sva: Sva;
  readonly mdev: Mdev;
  readonly vfio: Vfio;
  readonly iommufd: Iommufd;
  /** Loaded by `modprobe` or the `modules` parameter: `idxd`, `ice`, `qat_4xxx`. */
  readonly idxd: Idxd;
  readonly ice: Ice;
  readonly qat: Qat;
  /** Bound on request only: `kernel.pci.bind(dev, kernel.vfioPci)`. */
  readonly vfioPci: PciDriver;
  readonly calls: SystemCalls;
  readonly #modules: Readonly<Record<string, KernelModule>>;

  constructor(options: KernelOptions) {
    const core = new Core(options);
    this.core = core;
    this.sysfs = new Sysfs(core);
    this.nodes = new DeviceNodes(core);
    this.pages = new PageAllocator(core);
    this.userPages = new UserPages(core, this.pages);
    this.processes = new Processes(core, this.pages, this.userPages);
    this.instructions = new Instructions(core, this.processes);
    this.irqs = new Irqs(core);
    this.bypass = new IrqBypass(core);
    this.pci = new Pci(core, this.sysfs);
    this.iov = new PciIov(core, this.sysfs, this.pci);
    this.io = new Io(core);
    this.msix = new Msix(core, this.pci, this.irqs);
    this.pasids = new PasidPool(core);
    this.iommu = new Iommu({
      core,
      sysfs: this.sysfs,
      pages: this.pages,
      pci: this.pci,
      pasids: this.pasids,
      driver: this.#startIommu(),
    });
    this.ioasids = new Ioasids(core, this.pasids);
    this.aux = new AuxDomains(core, { iommu: this.iommu, ioasids: this.ioasids, pci: this.pci });
    this.guestPasids = new GuestPasids(core, { iommu: this.iommu, ioasids: this.ioasids });
    this.aux.onWillDetach = (domain, dev) => this.guestPasids.release(domain, dev);
    this.dma = new DmaApi(core, this.iommu, this.pages);
    this.sva = new Sva(core, this.iommu, this.pasids);
    this.mdev = new Mdev(core, this.sysfs);
    this.vfio = new Vfio({
      core,
      sysfs: this.sysfs,
      nodes: this.nodes,
      iommu: this.iommu,
      aux: this.aux,
      irqs: this.irqs,
    });
    this.iommufd = new Iommufd({
      core,
      nodes: this.nodes,
      iommu: this.iommu,
      irqs: this.irqs,
      config: this.pci.config,
    });
    this.vfio.useIommufd(this.iommufd);
    this.mdev.useBusDriver(createVfioMdev(this.vfio, this.iommu));
    this.mdev.useUsage({ whenUnused: (mdev, then) => this.vfio.whenUnused(mdev, then) });
    this.vfioPci = createVfioPciDriver({
      core,
      vfio: this.vfio,
      pci: this.pci,
      msix: this.msix,
      irqs: this.irqs,
      bypass: this.bypass,
    });
    this.idxd = new Idxd(this);
    this.ice = new Ice(this);
    this.qat = new Qat(this);
    this.#modules = { idxd: this.idxd, ice: this.ice, qat_4xxx: this.qat };
    this.calls = new SystemCalls({
      core,
      nodes: this.nodes,
      sysfs: this.sysfs,
      processes: this.processes,
    });
  }

  /** Enumerates devices and turns translation on. */
  boot(): void {
    this.pci.scan();
    this.iommu.start();
    this.core.params.modules.forEach((name) => this.modprobe(name));
    this.core.settle();
  }

  /** Loads a driver module: 0, or -ENOENT when there is none of this name. */
  modprobe(name: string): number {
    return this.core.call('modprobe', [name], () => this.#modules[name]?.load() ?? -ENOENT);
  }

  /** Unloads a module; what it made goes with it. -EAGAIN while files of it are open. */
  rmmod(name: string): number {
    return this.core.call('rmmod', [name], () => {
      const module = this.#modules[name];
      if (module === undefined || module.isInUse) {
        return module === undefined ? -ENOENT : -EAGAIN;
      }
      module.unload();
      return 0;
    });
  }

  #startIommu(): IntelIommu | null {
    if (!this.core.params.intel_iommu) {
      return null;
    }
    const unit = IommuUnit.find(this.core, this.pages);
    if (unit === undefined) {
      return null;
    }
    const commands = VirtualCommands.find(unit);
    if (commands !== null) {
      this.pasids.useAllocator(commands);
    }
    return new IntelIommu(unit, { pci: this.pci, irqs: this.irqs });
  }
}

/** A booted kernel: IOMMU up, devices found, built-in drivers bound. */
export function createKernel(options: KernelOptions): Kernel {
  const kernel = new Kernel(options);
  kernel.boot();
  return kernel;
}
