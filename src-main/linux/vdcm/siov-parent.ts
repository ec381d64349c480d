/** What every driver does with a function whose ADIs are to be assigned. Intel's idxd VDCM, 2020. */
import type { Core } from '../core/core.ts';
import type { AuxDomains } from '../iommu/aux-domain.ts';
import { IOMMU_DEV_FEAT_AUX } from '../iommu/aux-domain.ts';
import type { Iommu } from '../iommu/iommu.ts';
import { ImsDomain, type ImsRegisters } from '../irq/ims.ts';
import type { Irqs } from '../irq/irq.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { Pci } from '../pci/pci.ts';

export interface SiovParentParts {
  readonly core: Core;
  readonly pci: Pci;
  readonly irqs: Irqs;
  readonly iommu: Iommu;
  readonly aux: AuxDomains;
}

export interface ImsPlace {
  readonly registers: ImsRegisters;
  readonly table: number;
  readonly entries: number;
  /** More or fewer entries are in use. */
  didChange?(): void;
}

const DVSEC_CAPABILITIES = 0x14;

/**
 * Interrupt storage of a function that has the DVSEC, PASIDs and an IOMMU; null when its ADIs cannot be assigned. Without the
 * DVSEC's IMS bit or without interrupt remapping there is storage, but no entry of it can be had.
 */
export function createImsDomain(
  { core, pci, irqs, iommu }: SiovParentParts,
  dev: PciDev,
  place: ImsPlace,
): ImsDomain | null {
  const dvsec = pci.config.findDvsec(
    dev,
    PCI_REGS.PCI_VENDOR_ID_INTEL,
    PCI_REGS.PCI_DVSEC_ID_INTEL_SIOV,
  );
  if (dvsec === 0 || !dev.pasid.isEnabled || iommu.driver === null) {
    return null;
  }
  const hasIms = (pci.config.read(dev, dvsec + DVSEC_CAPABILITIES, 4) & 1) === 1;
  return new ImsDomain({
    core,
    irqs,
    registers: place.registers,
    rid: dev.rid,
    name: dev.name,
    table: place.table,
    entries: hasIms && irqs.hasRemapping ? place.entries : 0,
    didChange: () => place.didChange?.(),
  });
}

/** Whether mediated devices of the function can have address spaces of their own. 2019: auxiliary domains are turned on. */
export function enableMediation({ core, aux }: SiovParentParts, dev: PciDev): boolean {
  if (core.profile === 'iommufd') {
    return true;
  }
  const enabled = aux.iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_AUX);
  if (enabled < 0) {
    core.warn(`${dev.name}: no auxiliary domains (${enabled}), no mediated devices`);
  }
  return enabled >= 0;
}

export function disableMediation({ aux }: SiovParentParts, dev: PciDev): void {
  if (aux.iommu_dev_feature_enabled(dev, IOMMU_DEV_FEAT_AUX)) {
    aux.iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_AUX);
  }
}
