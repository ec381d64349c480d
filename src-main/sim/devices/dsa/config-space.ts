/**
 * Configuration space of the physical function: a root complex integrated endpoint with PASID, ATS, PRI, MSI-X and the
 * Scalable IOV capability. DSA 3.0 appendix C and section 9.1; place of the DVSEC as real machines show it.
 *
 * There is no INTx, no MSI, no I/O space. The SR-IOV form (`sriov-dsa.ts`) has the SR-IOV capability in place of the Scalable
 * IOV one.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { AerCapability } from '../../../spec/pcie/aer.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability, type CapabilityPlacement } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { LatencyToleranceCapability } from '../../../spec/pcie/latency-tolerance.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PageRequestCapability } from '../../../spec/pcie/page-request.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { PowerManagementCapability } from '../../../spec/pcie/power-management.ts';
import { TphRequesterCapability } from '../../../spec/pcie/tph-requester.ts';
import { VirtualChannelCapability } from '../../../spec/pcie/virtual-channel.ts';
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import type { DsaSettings } from './config.ts';

/** Base class 08h (system peripheral), sub-class 80h (other). */
export const DSA_CLASS_CODE = 0x08_8000;
const PASID_BITS = 20;

export const DSA_BAR = { registers: 0, portals: 2 } as const;

/** Capabilities that every form of the function has, in list order. */
export function dsaCapabilities(
  settings: DsaSettings,
  functionNumber: number,
): readonly CapabilityPlacement[] {
  return [
    placeCapability(ExpressCapability, 0x40),
    placeCapability(MsiXCapability, 0x80, {
      control: { SIZE: settings.msixEntries - 1 },
      table: { BIR: DSA_BAR.registers, OFFSET: BigInt(settings.places.msixTable) },
      pba: { BIR: DSA_BAR.registers, OFFSET: BigInt(settings.places.msixPba) },
    }),
    placeCapability(PowerManagementCapability, 0x90),
    placeCapability(AerCapability, 0x100),
    placeCapability(LatencyToleranceCapability, 0x150),
    placeCapability(TphRequesterCapability, 0x160),
    placeCapability(VirtualChannelCapability, 0x170),
    ...(settings.sriov === undefined
      ? [
          placeCapability(SiovDvsec, 0x200, {
            dependencyLink: { VALUE: functionNumber },
            capabilities: { IMS: settings.imsEntries > 0 ? 1 : 0 },
          }),
        ]
      : []),
    placeCapability(AtsCapability, 0x220, { capability: { GLOBAL: 1 } }),
    placeCapability(PasidCapability, 0x230, { capability: { PRIV: 1, WIDTH: PASID_BITS } }),
    placeCapability(PageRequestCapability, 0x240, {
      status: { PASIDR: 1 },
      capacity: { CAPACITY: settings.pageRequestCapacity },
    }),
  ];
}

export function dsaConfigSpace(
  settings: DsaSettings,
  functionNumber: number,
  extra: readonly CapabilityPlacement[] = [],
): RegisterBlock {
  return configSpace({
    name: 'DSA_CONFIG',
    header: {
      vendorId: settings.profile.vendorId,
      deviceId: settings.profile.deviceId,
      classCode: DSA_CLASS_CODE,
      subsystemVendorId: settings.profile.vendorId,
      bars: [
        {
          index: DSA_BAR.registers,
          bytes: settings.bar0Bytes,
          is64Bit: true,
          isPrefetchable: true,
        },
        { index: DSA_BAR.portals, bytes: settings.bar2Bytes, is64Bit: true, isPrefetchable: true },
      ],
    },
    capabilities: [...dsaCapabilities(settings, functionNumber), ...extra],
  });
}
