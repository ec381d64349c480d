/**
 * A first stage without entries, which lets no request through: a page of zeros that belongs to the VMM. It lies where the
 * guest sees the registers of its unit, and so can have no memory; devices may read it, and the host's unit does.
 *
 * Our choice. QEMU detaches a function instead (hw/i386/intel_iommu_accel.c, vtd_device_detach_iommufd); the driver of an
 * assignable interface would end its work on that, and page requests would not reach the VMM.
 *
 * Not modelled: UR and CA. A translation request meets a missing entry and so gets Success without rights, whatever the
 * guest's unit would answer (VT-d 5.10 section 7.1.3), and nothing is recorded.
 */
import { PLATFORM } from '../../sim/index.ts';
import type { GuestStage1 } from './nesting-backend.ts';

/** A guest-physical address. */
export const EMPTY_TABLE = PLATFORM.iommuBase;

export const EMPTY_STAGE1: GuestStage1 = {
  root: EMPTY_TABLE,
  width: 48,
  // Every request shall end at the missing entry, not before.
  isSupervisorAllowed: true,
  hasExtendedAccessed: false,
  isWriteProtected: false,
};
