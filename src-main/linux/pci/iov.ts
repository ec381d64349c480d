/**
 * SR-IOV (drivers/pci/iov.c): a physical function's driver turns virtual functions on and off. Each of them is a function of
 * its own on the bus, with a Requester ID, configuration space and BARs; all of them come and go together.
 *
 * VF BARs are placed here when virtual functions are first enabled, above everything that firmware placed.
 */
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EBUSY, EINVAL, ENOENT, ENOMEM, ENOSYS, ERANGE } from '../errno.ts';
import type { PciConfig } from './pci-config.ts';
import type { PciDev, PciResource } from './pci-dev.ts';
import { PCI_REGS as R } from './pci-regs.ts';
import type { Pci, PciDriver } from './pci.ts';
import { PciSdi } from './sdi.ts';

const ENABLE_DELAY_NS = 100_000_000;
const DISABLE_DELAY_NS = 1_000_000_000;
const BUS_SHIFT = 8;
const BAR_COUNT = 6;
const TWO_32 = 2 ** 32;
const BAR_MASK = 0xffff_fff0;
const PAGE_SHIFT = 12;
/** Where one BAR of all virtual functions lies. */
interface VfWindow {
  readonly bar: number;
  readonly base: number;
  /** Bytes of one virtual function. */
  readonly slice: number;
}

interface IovState {
  /** Start of the capability. */
  readonly cap: number;
  readonly total: number;
  vfs: readonly PciDev[];
  /** Null before virtual functions are enabled for the first time. */
  windows: readonly VfWindow[] | null;
}

export class PciIov {
  /** What Scalable IOV has in place of virtual functions since its second revision. */
  readonly sdi: PciSdi;
  readonly #core: Core;
  readonly #sysfs: Sysfs;
  readonly #pci: Pci;
  readonly #config: PciConfig;
  readonly #states = new Map<PciDev, IovState>();
  #nextBase = 0;

  constructor(core: Core, sysfs: Sysfs, pci: Pci) {
    this.#core = core;
    this.#sysfs = sysfs;
    this.#pci = pci;
    this.#config = pci.config;
    this.sdi = new PciSdi(core, pci);
    pci.observe({
      added: (dev) => this.#added(dev),
      removed: (dev) => this.#states.delete(dev),
    });
    exportSymbols<PciIov>(core, this, {
      calls: ['pci_enable_sriov', 'pci_disable_sriov'],
      queries: ['pci_num_vf', 'pci_sriov_get_totalvfs', 'pci_physfn', 'pci_iov_vf_id'],
    });
  }

  /**
   * -ENOSYS for a function without SR-IOV, -EINVAL for more than it has or while some exist, -ENOMEM when their Requester
   * IDs do not fit on the bus.
   */
  pci_enable_sriov(dev: PciDev, count: number): number {
    const state = this.#states.get(dev);
    if (state === undefined) {
      return -ENOSYS;
    }
    if (count === 0) {
      return 0;
    }
    if (count < 0 || count > state.total || state.vfs.length > 0) {
      return -EINVAL;
    }
    const offset = this.#read(dev, state, R.PCI_SRIOV_VF_OFFSET, 2);
    const stride = this.#read(dev, state, R.PCI_SRIOV_VF_STRIDE, 2);
    const rids = Array.from({ length: count }, (_, i) => dev.rid + offset + i * stride);
    if (rids.some((rid) => rid >>> BUS_SHIFT !== dev.rid >>> BUS_SHIFT)) {
      return -ENOMEM;
    }
    this.#placeBars(dev, state);
    this.#config.write(dev, state.cap + R.PCI_SRIOV_NUM_VF, 2, count);
    this.#config.update16(
      dev,
      state.cap + R.PCI_SRIOV_CTRL,
      R.PCI_SRIOV_CTRL_VFE | R.PCI_SRIOV_CTRL_MSE,
      0,
    );
    this.#core.advance(ENABLE_DELAY_NS);
    const device = this.#read(dev, state, R.PCI_SRIOV_VF_DID, 2);
    state.vfs = rids.map((rid, i) => this.#addVf(dev, state, { rid, device, index: i }));
    this.#touch(dev);
    return 0;
  }

  /** All of them go; whoever uses one loses it. */
  pci_disable_sriov(dev: PciDev): void {
    const state = this.#states.get(dev);
    if (state === undefined || state.vfs.length === 0) {
      return;
    }
    state.vfs.forEach((vf, i) => {
      this.#sysfs.remove(`${dev.path}/virtfn${i}`);
      this.#pci.remove(vf);
    });
    state.vfs = [];
    this.#config.update16(
      dev,
      state.cap + R.PCI_SRIOV_CTRL,
      0,
      R.PCI_SRIOV_CTRL_VFE | R.PCI_SRIOV_CTRL_MSE,
    );
    this.#core.advance(DISABLE_DELAY_NS);
    this.#config.write(dev, state.cap + R.PCI_SRIOV_NUM_VF, 2, 0);
    this.#touch(dev);
  }

  pci_num_vf(dev: PciDev): number {
    return this.#states.get(dev)?.vfs.length ?? 0;
  }

  pci_sriov_get_totalvfs(dev: PciDev): number {
    return this.#states.get(dev)?.total ?? 0;
  }

  /** The physical function of a virtual one, the function itself otherwise. */
  pci_physfn(dev: PciDev): PciDev {
    return dev.physfn ?? dev;
  }

  /** Number of a virtual function from 0, -EINVAL for other functions. */
  pci_iov_vf_id(dev: PciDev): number {
    const vfs = dev.physfn === undefined ? undefined : this.#states.get(dev.physfn)?.vfs;
    const index = vfs?.indexOf(dev) ?? -1;
    return index < 0 ? -EINVAL : index;
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #added(dev: PciDev): void {
    const cap = this.#config.findExtended(dev, R.PCI_EXT_CAP_ID_SRIOV);
    if (cap === 0 || dev.physfn !== undefined) {
      return;
    }
    const total = this.#config.read(dev, cap + R.PCI_SRIOV_TOTAL_VF, 2);
    this.#states.set(dev, { cap, total, vfs: [], windows: null });
    this.#sysfs.file(`${dev.path}/sriov_totalvfs`, { show: () => String(total) });
    this.#sysfs.file(`${dev.path}/sriov_numvfs`, {
      show: () => String(this.pci_num_vf(dev)),
      store: (text) => this.#storeNumber(dev, total, text),
    });
  }

  /** The driver decides: no driver, or one that does not want any, is -ENOENT. */
  #storeNumber(dev: PciDev, total: number, text: string): number {
    const count = /^\d+\s*$/.test(text) ? Number(text) : -1;
    if (count < 0) {
      return -EINVAL;
    }
    if (count > total) {
      return -ERANGE;
    }
    const current = this.pci_num_vf(dev);
    if (count === current) {
      return 0;
    }
    const driver = dev.driver as unknown as PciDriver | null;
    if (driver?.sriov_configure === undefined) {
      return -ENOENT;
    }
    if (count > 0 && current > 0) {
      return -EBUSY;
    }
    return this.#core.callback(
      driver.name,
      'sriov_configure',
      dev.name,
      () => driver.sriov_configure?.(dev, count) ?? -ENOENT,
    );
  }

  #addVf(
    dev: PciDev,
    state: IovState,
    vf: { readonly rid: number; readonly device: number; readonly index: number },
  ): PciDev {
    const bars = (state.windows ?? []).map(({ bar, base, slice }): PciResource => ({
      bar,
      start: base + vf.index * slice,
      bytes: slice,
      is64Bit: true,
      isPrefetchable: true,
    }));
    // Vendor and device of a virtual function read as FFFFh; they are the physical function's.
    const found = {
      rid: vf.rid,
      vendor: dev.vendor,
      device: vf.device,
      class: this.#config.read({ rid: vf.rid }, R.PCI_CLASS_REVISION, 4) >>> 8,
      isMultifunction: false,
    };
    const made = this.#pci.add(found, dev, bars);
    this.#sysfs.link(`${dev.path}/virtfn${vf.index}`, made.path);
    this.#sysfs.link(`${made.path}/physfn`, dev.path);
    return made;
  }

  /** Sizes the VF BARs and gives each a window for all virtual functions there can be. */
  #placeBars(dev: PciDev, state: IovState): void {
    if (state.windows !== null) {
      return;
    }
    const pages = this.#read(dev, state, R.PCI_SRIOV_SYS_PGSIZE, 4);
    const windows: VfWindow[] = [];
    for (let bar = 0; bar < BAR_COUNT; bar += 2) {
      const at = state.cap + R.PCI_SRIOV_BAR + bar * 4;
      const bytes = this.#sizeBar(dev, at);
      if (bytes === 0) {
        continue;
      }
      const slice = Math.max(bytes, pages * 2 ** PAGE_SHIFT);
      const first = Math.max(this.#nextBase, this.#endOfBars());
      const base = Math.ceil(first / WINDOW_ALIGNMENT) * WINDOW_ALIGNMENT;
      this.#nextBase = base + slice * state.total;
      this.#config.write(dev, at, 4, base % TWO_32);
      this.#config.write(dev, at + 4, 4, Math.floor(base / TWO_32));
      windows.push({ bar, base, slice });
    }
    state.windows = windows;
  }

  /** Bytes of one slice, 0 for a BAR that does not exist. All VF BARs here are 64 bits wide. */
  #sizeBar(dev: PciDev, at: number): number {
    this.#config.write(dev, at, 4, 0xffff_ffff);
    const low = this.#config.read(dev, at, 4);
    return (low & BAR_MASK) === 0 ? 0 : TWO_32 - ((low & BAR_MASK) >>> 0);
  }

  #endOfBars(): number {
    const ends = this.#pci.devices.flatMap((d) => d.resources.map((r) => r.start + r.bytes));
    return Math.max(0, ...ends);
  }

  #read(dev: PciDev, state: IovState, offset: number, bytes: 2 | 4): number {
    return this.#config.read(dev, state.cap + offset, bytes);
  }

  #touch(dev: PciDev): void {
    this.#sysfs.touch(dev.path);
  }
}

/** Wide enough for any slice, so that every virtual function's BAR is aligned to its size. */
const WINDOW_ALIGNMENT = 2 ** 32;
