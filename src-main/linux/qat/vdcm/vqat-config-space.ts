/** Configuration space of a virtual QAT device: a root complex integrated endpoint. Linux drivers/crypto/intel/qat; QATlib. */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import type { QatService } from '../services.ts';
import { SERVICE_ID, VQAT } from './places.ts';

const BAR2 = 2;

export function vqatConfigSpace(service: QatService): RegisterBlock {
  const bar = (index: number, bytes: number) =>
    ({ index, bytes, is64Bit: true, isPrefetchable: true }) as const;
  return configSpace({
    name: 'VQAT_CONFIG',
    header: {
      vendorId: PCI_REGS.PCI_VENDOR_ID_INTEL,
      deviceId: VQAT.deviceId,
      classCode: VQAT.classCode,
      revision: VQAT.revision,
      subsystemVendorId: PCI_REGS.PCI_VENDOR_ID_INTEL,
      subsystemId: SERVICE_ID[service],
      bars: [bar(0, VQAT.bar0Bytes), bar(BAR2, VQAT.bar2Bytes), bar(4, VQAT.bar4Bytes)],
    },
    capabilities: [
      placeCapability(MsiXCapability, 0x40, {
        control: { SIZE: VQAT.vectors - 1 },
        table: { BIR: BAR2, OFFSET: BigInt(VQAT.msixTable) },
        pba: { BIR: BAR2, OFFSET: BigInt(VQAT.pendingBits) },
      }),
      placeCapability(ExpressCapability, 0x50),
    ],
  });
}
