/**
 * PASID, PRI and ATS of functions whose drivers turn them on themselves: what `pci_features=driver` leaves to them. Normally
 * the IOMMU driver does it when it takes a function over.
 */
import type { Core } from '../core/core.ts';
import type { PciDev } from './pci-dev.ts';
import { PCI_REGS } from './pci-regs.ts';
import type { Pci } from './pci.ts';

const ATS_PAGE_SHIFT = 12;
const PAGE_REQUESTS = 32;

export class OwnFeatures {
  readonly #core: Core;
  readonly #pci: Pci;
  readonly #owners = new Set<PciDev>();

  constructor(core: Core, pci: Pci) {
    this.#core = core;
    this.#pci = pci;
  }

  enable(dev: PciDev): void {
    if (this.#core.params.pci_features !== 'driver' || dev.pasid.isEnabled) {
      return;
    }
    const pci = this.#pci;
    this.#owners.add(dev);
    pci.pci_enable_pasid(dev, Math.max(0, pci.pci_pasid_features(dev)));
    if (pci.config.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_PRI) !== 0) {
      pci.pci_reset_pri(dev);
      pci.pci_enable_pri(dev, PAGE_REQUESTS);
    }
    pci.pci_enable_ats(dev, ATS_PAGE_SHIFT);
  }

  disable(dev: PciDev): void {
    if (this.#owners.delete(dev)) {
      this.#pci.pci_disable_ats(dev);
      this.#pci.pci_disable_pri(dev);
      this.#pci.pci_disable_pasid(dev);
    }
  }
}
