/**
 * Configuration space of the QAT-class physical function. Identifiers of the 4xxx parts (Linux
 * drivers/crypto/intel/qat/qat_4xxx); places of capabilities and tables are this model's choice.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { AerCapability } from '../../../spec/pcie/aer.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { BANKS_OFFSET, IMS_OFFSET } from '../../../spec/qat/registers.ts';
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import type { QatSettings } from './config.ts';

const VENDOR_INTEL = 0x8086;
const DEVICE_ID = 0x4940;
/** Base class 0Bh (processor), sub-class 40h (co-processor). */
const CLASS_CODE = 0x0b_4000;

export const QAT_PLACES = {
  msixTable: 0x2_0000,
  msixPba: 0x2_8000,
  ims: IMS_OFFSET,
  banks: BANKS_OFFSET,
} as const;

export function qatBarBytes({ ringPairs, bankBytes }: QatSettings): number {
  return 2 ** Math.ceil(Math.log2(BANKS_OFFSET + ringPairs * bankBytes));
}

export function qatConfigSpace(settings: QatSettings, functionNumber: number): RegisterBlock {
  return configSpace({
    name: 'QAT_CONFIG_SPACE',
    header: {
      vendorId: VENDOR_INTEL,
      deviceId: DEVICE_ID,
      classCode: CLASS_CODE,
      subsystemVendorId: VENDOR_INTEL,
      bars: [{ index: 0, bytes: qatBarBytes(settings), is64Bit: true, isPrefetchable: true }],
    },
    capabilities: [
      placeCapability(ExpressCapability, 0x40),
      placeCapability(MsiXCapability, 0x80, {
        control: { SIZE: settings.msixEntries - 1 },
        table: { BIR: 0, OFFSET: BigInt(QAT_PLACES.msixTable) },
        pba: { BIR: 0, OFFSET: BigInt(QAT_PLACES.msixPba) },
      }),
      placeCapability(AerCapability, 0x100),
      placeCapability(SiovDvsec, 0x200, {
        dependencyLink: { VALUE: functionNumber },
        capabilities: { IMS: settings.imsEntries > 0 ? 1 : 0 },
      }),
      placeCapability(AtsCapability, 0x220, { capability: { GLOBAL: 1 } }),
      placeCapability(PasidCapability, 0x230, { capability: { WIDTH: 20 } }),
    ],
  });
}
