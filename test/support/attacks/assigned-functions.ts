/** Whole functions in the hands of VMMs, by vfio-pci and type1. */
import { defined, invariant } from '../../../src-main/bits/invariant.ts';
import { parseBdf } from '../../../src-main/linux/pci/pci-scan.ts';
import type { DeviceConfig } from '../../../src-main/sim/index.ts';
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_EXTENSIONS as E,
  VFIO_GROUP_IOCTLS as G,
} from '../../../src-main/spec/vfio/ioctl-numbers.ts';
import type { Lab } from '../linux-machine.ts';
import { PAGE } from '../linux-sva.ts';
import { VfioUser } from '../linux-vfio.ts';

const GUEST_RAM = 0x10_0000;

/** A network card of nobody's denylist. */
export function networkCard(bdf: string, options: object = {}): DeviceConfig {
  return {
    kind: 'plain',
    name: `card-${bdf.replace(/[:.]/g, '-')}`,
    bdf,
    options: { vendorId: 0x8086, deviceId: 0x1111, classCode: 0x020000, ...options },
  };
}

export function ownerOf(bdf: string): string {
  return `owner of ${bdf}`;
}

/** A VMM takes a function over and maps a page of guest memory for it. 0, or the error number of the claim. */
export function assignFunction(lab: Pick<Lab, 'kernel'>, bdf: string): number {
  const { pci, vfioPci } = lab.kernel;
  const dev = defined(pci.deviceAt(parseBdf(bdf)), bdf);
  invariant(pci.bind(dev, vfioPci) === 0, `${bdf} is bound`);
  pci.pci_set_master(dev);
  const user = new VfioUser(lab.kernel, ownerOf(bdf));
  const group = user.open(user.groupOf(dev.name));
  if (group < 0) {
    return group;
  }
  const container = user.open('/dev/vfio/vfio');
  const joined = user.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
  if (joined < 0) {
    return joined;
  }
  const set = user.ioctl(container, C.VFIO_SET_IOMMU, E.VFIO_TYPE1v2_IOMMU);
  if (set < 0) {
    return set;
  }
  return user.mapDma(container, user.memory(1), GUEST_RAM, PAGE);
}
