/**
 * Configuration space of the NIC-class physical function and of its virtual functions. Identifiers of E810-class adapters
 * (Linux drivers/net/ethernet/intel/ice/ice_devids.h); places of the capabilities are this model's choice. A root complex
 * integrated endpoint, as the other devices of the lab.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { AerCapability } from '../../../spec/pcie/aer.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import { sriovPlacement } from '../sriov/sriov-capability.ts';
import type { NicSettings } from './config.ts';
import { NIC_BAR, nicPlaces } from './places.ts';

const VENDOR_INTEL = 0x8086;
const DEVICE_ID = 0x1592;
/** Base class 02h (network controller), Ethernet. */
export const NIC_CLASS_CODE = 0x02_0000;
const PASID_BITS = 20;

export function nicConfigSpace(settings: NicSettings, functionNumber: number): RegisterBlock {
  const places = nicPlaces(settings);
  return configSpace({
    name: 'NIC_CONFIG',
    header: {
      vendorId: VENDOR_INTEL,
      deviceId: DEVICE_ID,
      classCode: NIC_CLASS_CODE,
      subsystemVendorId: VENDOR_INTEL,
      bars: [
        { index: NIC_BAR.registers, bytes: places.bar0Bytes, is64Bit: true, isPrefetchable: true },
        { index: NIC_BAR.doorbells, bytes: places.bar2Bytes, is64Bit: true, isPrefetchable: true },
      ],
    },
    capabilities: [
      placeCapability(ExpressCapability, 0x40),
      placeCapability(MsiXCapability, 0x80, {
        control: { SIZE: settings.msixEntries - 1 },
        table: { BIR: NIC_BAR.registers, OFFSET: BigInt(places.msixTable) },
        pba: { BIR: NIC_BAR.registers, OFFSET: BigInt(places.msixPba) },
      }),
      placeCapability(AerCapability, 0x100),
      ...(settings.sriov === undefined ? [] : [sriovPlacement(0x160, settings.sriov)]),
      placeCapability(SiovDvsec, 0x200, {
        dependencyLink: { VALUE: functionNumber },
        capabilities: { IMS: settings.imsEntries > 0 ? 1 : 0 },
      }),
      placeCapability(AtsCapability, 0x220, { capability: { GLOBAL: 1 } }),
      placeCapability(PasidCapability, 0x230, { capability: { WIDTH: PASID_BITS } }),
    ],
  });
}
