/**
 * Scalable device interfaces (Scalable IOV revision 2; proposed drivers/pci/siov.c, 2026): interfaces with a Requester ID of
 * their own but no configuration space, no BARs, no MSI-X table. Software composes what a guest sees of them; the IOMMU
 * tells them apart as it does functions, so each has its own context entry and its own space of PASIDs.
 *
 * Not modelled: Requester IDs that software assigns.
 */
import {
  SDI_FIRST_OFFSET,
  SDI_STRIDE,
  SDI_TOTAL,
} from '../../spec/pcie/scalable-device-interface.ts';
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY, EINVAL, EIO, ENODEV } from '../errno.ts';
import type { PciDev } from './pci-dev.ts';
import { PCI_REGS as R } from './pci-regs.ts';
import type { Pci } from './pci.ts';

interface SdiState {
  readonly total: number;
  readonly firstOffset: number;
  readonly stride: number;
  readonly interfaces: Map<number, PciDev>;
}

/** Requester IDs have 16 bits. */
const LAST_RID = 0xffff;

export class PciSdi {
  readonly #pci: Pci;
  readonly #states = new Map<PciDev, SdiState>();

  constructor(core: Core, pci: Pci) {
    this.#pci = pci;
    pci.observe({ removed: (dev) => this.#states.delete(dev) });
    exportSymbols<PciSdi>(core, this, {
      calls: ['pci_sdi_init', 'pci_sdi_enable', 'pci_sdi_disable'],
      queries: ['pci_sdi_total', 'pci_sdi_rid'],
    });
  }

  /** Reads the capability: 0 (also for a total of 0), -ENODEV without one, -EIO for offsets that cannot be. */
  pci_sdi_init(dev: PciDev): number {
    const { config } = this.#pci;
    const at = config.findExtended(dev, R.PCI_EXT_CAP_ID_SDI);
    if (at === 0) {
      return -ENODEV;
    }
    const total = config.read(dev, at + SDI_TOTAL.offset, 2);
    const firstOffset = config.read(dev, at + SDI_FIRST_OFFSET.offset, 2);
    const stride = config.read(dev, at + SDI_STRIDE.offset, 2);
    if (total === 0) {
      return 0;
    }
    if (firstOffset === 0 || (stride === 0 && total > 1)) {
      return -EIO;
    }
    this.#states.set(dev, { total, firstOffset, stride, interfaces: new Map() });
    return 0;
  }

  pci_sdi_total(dev: PciDev): number {
    return this.#states.get(dev)?.total ?? 0;
  }

  /** Requester ID of an interface, or -EINVAL. */
  pci_sdi_rid(dev: PciDev, index: number): number {
    const state = this.#states.get(dev);
    if (state === undefined || index < 0 || index >= state.total) {
      return -EINVAL;
    }
    const rid = dev.rid + state.firstOffset + index * state.stride;
    return rid > LAST_RID ? -EINVAL : rid;
  }

  /** The interface under translation, or a negative error number: -EBUSY when it is enabled already. */
  pci_sdi_enable(dev: PciDev, index: number): PciDev | number {
    const state = this.#states.get(dev);
    const rid = this.pci_sdi_rid(dev, index);
    if (state === undefined || rid < 0) {
      return -EINVAL;
    }
    if (state.interfaces.has(index) || this.#pci.deviceAt(rid) !== undefined) {
      return -EBUSY;
    }
    const { vendor, device } = dev;
    const found = { rid, vendor, device, class: dev.class, isMultifunction: false };
    const made = this.#pci.add(found, dev, []);
    state.interfaces.set(index, made);
    return made;
  }

  pci_sdi_disable(dev: PciDev, index: number): void {
    const { interfaces } = this.#states.get(dev) ?? { interfaces: new Map<number, PciDev>() };
    const made = interfaces.get(index);
    if (made !== undefined) {
      interfaces.delete(index);
      this.#pci.remove(made);
    }
  }
}
