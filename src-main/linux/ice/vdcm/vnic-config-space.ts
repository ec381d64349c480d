/** Configuration space of a virtual network adapter: a root complex integrated endpoint. Intel's ice VDCM (ice_vdcm.c). */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import { VNIC } from './places.ts';

const BAR3 = 3;

export function vnicConfigSpace(vectors: number): RegisterBlock {
  return configSpace({
    name: 'VNIC_CONFIG',
    header: {
      vendorId: PCI_REGS.PCI_VENDOR_ID_INTEL,
      deviceId: VNIC.deviceId,
      classCode: VNIC.classCode,
      subsystemVendorId: PCI_REGS.PCI_VENDOR_ID_INTEL,
      bars: [
        { index: 0, bytes: VNIC.bar0Bytes, is64Bit: true, isPrefetchable: true },
        { index: BAR3, bytes: VNIC.bar3Bytes, is64Bit: true, isPrefetchable: true },
      ],
    },
    capabilities: [
      placeCapability(MsiXCapability, 0x40, {
        control: { SIZE: vectors - 1 },
        table: { BIR: BAR3, OFFSET: BigInt(VNIC.msixTable) },
        pba: { BIR: BAR3, OFFSET: BigInt(VNIC.pendingBits) },
      }),
      placeCapability(ExpressCapability, 0x50),
    ],
  });
}
