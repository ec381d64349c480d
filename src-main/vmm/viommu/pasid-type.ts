/**
 * Who may translate the PASIDs of a device's submissions (vSVA series for Linux and QEMU, 2020). ENQCMD of a VM goes through one table of the
 * CPU, whatever device it is for: a physical function, whose guest owns the PASID space and writes host numbers (type 7),
 * and an assignable interface, whose guest numbers must be translated (type 8), cannot both be served by it.
 */
import { EXP_DEVICE_CAPABILITIES_2 as DEVCAP2 } from '../../spec/pcie/express.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { isPciDev, type PciDev } from '../../linux/pci/pci-dev.ts';
import { PCI_REGS } from '../../linux/pci/pci-regs.ts';

export const PASID_TYPE = { ownSpace: 7, translated: 8 } as const;
export type PasidType = (typeof PASID_TYPE)[keyof typeof PASID_TYPE];

/** Undefined for devices that no ENQCMD with a PASID reaches. */
export function pasidTypeOf(kernel: Kernel, name: string): PasidType | undefined {
  const vdev = kernel.vfio.devices.find((d) => d.name === name);
  if (vdev === undefined) {
    return undefined;
  }
  const { backing } = vdev;
  if (backing.kind === 'pasid') {
    return isPciDev(backing.parent) && takesDeferrableWrites(kernel, backing.parent)
      ? PASID_TYPE.translated
      : undefined;
  }
  const isOwn =
    backing.kind === 'group' &&
    isPciDev(vdev.dev) &&
    kernel.iommu.maxPasids(vdev.dev) > 0 &&
    takesDeferrableWrites(kernel, vdev.dev);
  return isOwn ? PASID_TYPE.ownSpace : undefined;
}

function takesDeferrableWrites({ pci }: Kernel, dev: PciDev): boolean {
  const at = pci.config.findCapability(dev, PCI_REGS.PCI_CAP_ID_EXP);
  const value = at === 0 ? 0 : pci.config.read(dev, at + DEVCAP2.offset, 4);
  return DEVCAP2.decode(Uint32Array.of(value)).DMWR === 1;
}
