/**
 * Layout of a VDEV's configuration space: a root complex integrated endpoint. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 *
 * The Scalable IOV DVSEC has its content at 130h with IMS cleared, but no pointer leads there: a guest finds no Scalable IOV
 * in its device.
 */
import {
  defineRegisterBlock,
  refineRegister,
  type RegisterBlock,
} from '../../../bits/register-block.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { INTERRUPT_LINE } from '../../../spec/pcie/config-header.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PageRequestCapability } from '../../../spec/pcie/page-request.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import type { PciDev } from '../../pci/pci-dev.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import { VDEV } from './places.ts';

const PLACES = {
  msix: 0x40,
  express: 0x50,
  ats: 0x100,
  pri: 0x110,
  pasid: 0x120,
  dvsec: 0x130,
} as const;
const SUBSYSTEM = { vendor: 0x8086, device: 0x2010 } as const;
const PASID_WIDTH = 20;

/** `parent`: the function whose queue the VDEV has; its identity is the guest's, too. */
export function vdevConfigSpace(parent: PciDev): RegisterBlock {
  const space = configSpace({
    name: 'VDEV_CONFIG',
    header: {
      vendorId: parent.vendor,
      deviceId: parent.device,
      classCode: parent.class,
      subsystemVendorId: SUBSYSTEM.vendor,
      subsystemId: SUBSYSTEM.device,
      bars: [
        { index: 0, bytes: VDEV.bar0Bytes, is64Bit: true, isPrefetchable: true },
        { index: 2, bytes: VDEV.bar2Bytes, is64Bit: true, isPrefetchable: true },
      ],
    },
    capabilities: [
      placeCapability(MsiXCapability, PLACES.msix, {
        control: { SIZE: VDEV.vectors - 1 },
        table: { BIR: 0, OFFSET: BigInt(VDEV.msixTable) },
        pba: { BIR: 0, OFFSET: BigInt(VDEV.pendingBits) },
      }),
      placeCapability(ExpressCapability, PLACES.express),
      placeCapability(AtsCapability, PLACES.ats, { capability: { DEPTH: 1, GLOBAL: 1 } }),
      placeCapability(PageRequestCapability, PLACES.pri, {
        status: { PASIDR: 1 },
        capacity: { CAPACITY: 1 },
      }),
      placeCapability(PasidCapability, PLACES.pasid, {
        capability: {
          PRIV: Number((parent.pasid.value & PCI_REGS.PCI_PASID_CAP_PRIV) !== 0),
          WIDTH: PASID_WIDTH,
        },
      }),
    ],
  });
  const unlinked = placeCapability(SiovDvsec, PLACES.dvsec, { capabilities: { IMS: 0 } });
  const writableLine = refineRegister(INTERRUPT_LINE, ({ spec }) =>
    spec.role === 'value' ? { access: 'RW' } : undefined,
  );
  return defineRegisterBlock(space.name, [
    ...space.registers.map((r) => (r.name === INTERRUPT_LINE.name ? writableLine : r)),
    ...unlinked.registers(0),
  ]);
}
