/**
 * Access control services (drivers/pci/pci.c): what keeps peers from reaching each other past the IOMMU, and the groups that
 * follow from it. Linux 6.12: `pci_std_enable_acs`, `pci_acs_enabled`, `pci_acs_path_enabled`.
 */
import type { Core } from '../core/core.ts';
import type { PciConfig } from './pci-config.ts';
import type { PciDev } from './pci-dev.ts';
import { PCI_REGS } from './pci-regs.ts';

/** What VFIO and the IOMMU core ask for (REQ_ACS_FLAGS in drivers/iommu/iommu.c). */
const ISOLATION =
  PCI_REGS.PCI_ACS_SV | PCI_REGS.PCI_ACS_RR | PCI_REGS.PCI_ACS_CR | PCI_REGS.PCI_ACS_UF;

/** Turns on what a port, or one of several functions, has of the services. A remapping unit asks for it (`pci_request_acs`). */
export function enableAcs(core: Core, config: PciConfig, dev: PciDev): void {
  if (!dev.isMultifunction && !dev.isBridge) {
    return;
  }
  const cap = config.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_ACS);
  const wanted = wantedServices(core, dev);
  if (cap === 0 || wanted === 0) {
    return;
  }
  const supported = config.read(dev, cap + PCI_REGS.PCI_ACS_CAP, 2);
  const control = config.read(dev, cap + PCI_REGS.PCI_ACS_CTRL, 2);
  config.write(dev, cap + PCI_REGS.PCI_ACS_CTRL, 2, control | (supported & wanted));
}

/** Translation Blocking for what is plugged in: trusted devices send translated requests for good reason. */
function wantedServices(core: Core, { external_facing, untrusted }: PciDev): number {
  const isBlocking = (external_facing || untrusted) && core.defends('acs-translation-blocking');
  return (core.defends('acs-redirect') ? ISOLATION : 0) | (isBlocking ? PCI_REGS.PCI_ACS_TB : 0);
}

/** Whether the functions of one device are kept apart from each other. */
export function isIsolatedFunction(core: Core, config: PciConfig, dev: PciDev): boolean {
  // The out-of-tree override that people use to split such groups, and what it costs, is an attack of its own.
  if (!dev.isMultifunction || !core.defends('acs-groups')) {
    return true;
  }
  return hasServices(config, dev);
}

/** Whether the port keeps what is below it apart from the rest. */
export function isIsolatingPort(core: Core, config: PciConfig, port: PciDev): boolean {
  return !core.defends('acs-groups') || hasServices(config, port);
}

/** All that the function has of the services is on (`pci_acs_flags_enabled`). */
function hasServices(config: PciConfig, dev: PciDev): boolean {
  const cap = config.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_ACS);
  if (cap === 0) {
    return false;
  }
  const supported = config.read(dev, cap + PCI_REGS.PCI_ACS_CAP, 2);
  const enabled = config.read(dev, cap + PCI_REGS.PCI_ACS_CTRL, 2);
  return (supported & ISOLATION & ~enabled) === 0 && (supported & ISOLATION) !== 0;
}
