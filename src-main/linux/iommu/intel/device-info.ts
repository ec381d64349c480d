/** What the VT-d driver keeps about one function (`struct device_domain_info`). */
import type { PciDev } from '../../pci/pci-dev.ts';
import type { IommuDomain } from '../domain.ts';
import type { DeviceTlbTarget } from './invalidations.ts';
import type { PasidTable } from './pasid-table.ts';

export interface DeviceInfo {
  readonly dev: PciDev;
  /** Null in legacy mode. */
  readonly pasidTable: PasidTable | null;
  readonly deviceTlb: DeviceTlbTarget;
  /** Largest PASID plus one that function and unit can use; 0 without PASIDs. */
  readonly maxPasids: number;
  /** Domain by PASID; 0 for requests without. */
  readonly domains: Map<number, IommuDomain>;
  /** IOMMU_DEV_FEAT_AUX was enabled (E19). */
  isAuxEnabled: boolean;
  /** IOMMU_DEV_FEAT_SVA was enabled. */
  isSvaEnabled: boolean;
}
