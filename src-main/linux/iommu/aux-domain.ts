/**
 * Auxiliary domains of the 2019 profile (Linux 5.10 drivers/iommu/intel/iommu.c): further domains of one function, each
 * reached by its own PASID, next to the domain that requests without a PASID use.
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY, EINVAL, ENODEV, EPERM } from '../errno.ts';
import { isPciDev, type PciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { Pci } from '../pci/pci.ts';
import type { IommuDomain } from './domain.ts';
import type { DeviceInfo } from './intel/device-info.ts';
import type { Iommu } from './iommu.ts';
import { INVALID_IOASID, type Ioasids } from './ioasid.ts';

export const IOMMU_DEV_FEAT_AUX = 0;
export const IOMMU_DEV_FEAT_SVA = 1;
export const IOMMU_DEV_FEAT_IOPF = 2;

export class AuxDomains {
  readonly #iommu: Iommu;
  readonly #ioasids: Ioasids;
  readonly #pci: Pci;
  /** Told before a domain leaves a device. */
  onWillDetach: ((domain: IommuDomain, dev: Device) => void) | null = null;
  /** Attachments by domain and device. */
  readonly #users = new Map<IommuDomain, Map<Device, number>>();

  constructor(
    core: Core,
    parts: { readonly iommu: Iommu; readonly ioasids: Ioasids; readonly pci: Pci },
  ) {
    this.#iommu = parts.iommu;
    this.#ioasids = parts.ioasids;
    this.#pci = parts.pci;
    exportSymbols<AuxDomains>(core, this, {
      calls: [
        'iommu_dev_enable_feature',
        'iommu_dev_disable_feature',
        'iommu_aux_attach_device',
        'iommu_aux_detach_device',
      ],
      queries: ['iommu_dev_has_feature', 'iommu_dev_feature_enabled', 'iommu_aux_get_pasid'],
    });
  }

  iommu_dev_has_feature(dev: Device, feature: number): boolean {
    if (!isPciDev(dev) || this.#info(dev) === undefined) {
      return false;
    }
    const hasPasid = this.#iommu.maxPasids(dev) > 0;
    const has = (id: number): boolean => this.#pci.config.findExtended(dev, id) !== 0;
    switch (feature) {
      case IOMMU_DEV_FEAT_AUX:
        return hasPasid && this.#siovDvsec(dev) !== 0;
      case IOMMU_DEV_FEAT_SVA:
        return hasPasid && has(PCI_REGS.PCI_EXT_CAP_ID_PRI) && has(PCI_REGS.PCI_EXT_CAP_ID_ATS);
      case IOMMU_DEV_FEAT_IOPF:
        return has(PCI_REGS.PCI_EXT_CAP_ID_PRI);
      default:
        return false;
    }
  }

  iommu_dev_enable_feature(dev: Device, feature: number): number {
    const info = this.#info(dev);
    if (info === undefined || this.#iommu.driver?.unit.hasPasids !== true) {
      return -EINVAL;
    }
    if (!this.iommu_dev_has_feature(dev, feature)) {
      return -ENODEV;
    }
    return this.#setFeature(info, feature, true);
  }

  iommu_dev_disable_feature(dev: Device, feature: number): number {
    const info = this.#info(dev);
    if (info === undefined || !this.iommu_dev_feature_enabled(dev, feature)) {
      return -EINVAL;
    }
    const isUsed = [...this.#users.values()].some((devices) => devices.has(dev));
    return feature === IOMMU_DEV_FEAT_AUX && isUsed
      ? -EBUSY
      : this.#setFeature(info, feature, false);
  }

  iommu_dev_feature_enabled(dev: Device, feature: number): boolean {
    const info = this.#info(dev);
    return feature === IOMMU_DEV_FEAT_AUX
      ? info?.isAuxEnabled === true
      : feature === IOMMU_DEV_FEAT_SVA && info?.isSvaEnabled === true;
  }

  iommu_aux_attach_device(domain: IommuDomain, dev: Device): number {
    const info = this.#info(dev);
    if (info === undefined) {
      return -ENODEV;
    }
    if (!info.isAuxEnabled) {
      return -EINVAL;
    }
    if (domain.attachments.some((a) => a.dev === dev && a.pasid === 0)) {
      return -EPERM;
    }
    const users = this.#usersOf(domain);
    const count = users.get(dev) ?? 0;
    if (count === 0) {
      const result = this.#attachFirst(domain, dev, info);
      if (result < 0) {
        return result;
      }
    }
    users.set(dev, count + 1);
    return 0;
  }

  iommu_aux_detach_device(domain: IommuDomain, dev: Device): void {
    const users = this.#usersOf(domain);
    const count = users.get(dev) ?? 0;
    if (count > 1) {
      users.set(dev, count - 1);
      return;
    }
    if (count === 0) {
      return;
    }
    this.onWillDetach?.(domain, dev);
    users.delete(dev);
    this.#iommu.detachPasid(domain, dev, domain.default_pasid);
    this.#putPasid(domain);
  }

  /** PASID of a domain that is attached to the device as auxiliary domain. */
  iommu_aux_get_pasid(domain: IommuDomain, dev: Device): number {
    return this.#usersOf(domain).has(dev) && domain.default_pasid > 0
      ? domain.default_pasid
      : -EINVAL;
  }

  #attachFirst(domain: IommuDomain, dev: Device, info: DeviceInfo): number {
    if (domain.default_pasid === 0) {
      const pasid = this.#ioasids.ioasid_alloc(null, 1, info.maxPasids - 1, domain);
      if (pasid === INVALID_IOASID) {
        return -ENODEV;
      }
      domain.default_pasid = pasid;
    }
    const result = this.#iommu.attachPasid(domain, dev, domain.default_pasid, null);
    if (result < 0) {
      this.#putPasid(domain);
    }
    domain.publish();
    return result;
  }

  /** The last device gone: so is the number. */
  #putPasid(domain: IommuDomain): void {
    if (this.#usersOf(domain).size > 0) {
      return;
    }
    this.#users.delete(domain);
    this.#ioasids.ioasid_free(null, domain.default_pasid);
    domain.default_pasid = 0;
    domain.publish();
  }

  #usersOf(domain: IommuDomain): Map<Device, number> {
    const known = this.#users.get(domain);
    if (known !== undefined) {
      return known;
    }
    const users = new Map<Device, number>();
    this.#users.set(domain, users);
    return users;
  }

  #setFeature(info: DeviceInfo, feature: number, isEnabled: boolean): number {
    if (feature === IOMMU_DEV_FEAT_AUX) {
      info.isAuxEnabled = isEnabled;
    } else if (feature === IOMMU_DEV_FEAT_SVA) {
      info.isSvaEnabled = isEnabled;
    }
    this.#iommu.driver?.updateContext(info.dev);
    return 0;
  }

  #info(dev: Device): DeviceInfo | undefined {
    return isPciDev(dev) ? this.#iommu.driver?.info(dev) : undefined;
  }

  #siovDvsec(dev: PciDev): number {
    return this.#pci.config.findDvsec(
      dev,
      PCI_REGS.PCI_VENDOR_ID_INTEL,
      PCI_REGS.PCI_DVSEC_ID_INTEL_SIOV,
    );
  }
}
