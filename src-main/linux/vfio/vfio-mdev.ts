/**
 * The generic bus driver of the 2019 era (drivers/vfio/mdev/vfio_mdev.c): makes a VFIO device of every mediated device and
 * hands each operation on to the parent's.
 */
import { ENODEV, IS_ERR } from '../errno.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { MdevDevice, MdevParentOps } from '../mdev/mdev-device.ts';
import type { MdevBusDriver } from '../mdev/mdev.ts';
import type { VfioDeviceOps } from './vfio-device.ts';
import type { Vfio } from './vfio.ts';

function opsOf(mdev: MdevDevice): MdevParentOps | null {
  return mdev.type.parent.ops;
}

/** The parent's operations in the shape of the VFIO core; what the parent lacks stays absent. */
function deviceOps(mdev: MdevDevice, parent: MdevParentOps): VfioDeviceOps {
  const { open, release, read, write, ioctl, mmap, request } = parent;
  return {
    name: parent.name,
    aliases: { open_device: 'open', close_device: 'release' },
    ...(open === undefined ? {} : { open_device: () => open(mdev) }),
    ...(release === undefined ? {} : { close_device: () => release(mdev) }),
    ...(read === undefined
      ? {}
      : { read: (_vdev, count, position) => read(mdev, count, position) }),
    ...(write === undefined
      ? {}
      : { write: (_vdev, bytes, position) => write(mdev, bytes, position) }),
    ...(ioctl === undefined
      ? {}
      : {
          ioctl: (_vdev, command, argument, caller) => ioctl(mdev, command, argument, caller),
        }),
    ...(mmap === undefined ? {} : { mmap: (_vdev, area) => mmap(mdev, area) }),
    ...(request === undefined ? {} : { request: (_vdev, count) => request(mdev, count) }),
  };
}

export function createVfioMdev(vfio: Vfio, iommu: Iommu): MdevBusDriver {
  return {
    probe(mdev) {
      const parent = opsOf(mdev);
      if (parent === null) {
        return -ENODEV;
      }
      iommu.createGroup(mdev);
      const vdev = vfio.vfio_alloc_device(mdev, deviceOps(mdev, parent));
      if (IS_ERR(vdev)) {
        iommu.leaveGroup(mdev);
        return vdev;
      }
      mdev.driver_data ??= vdev;
      return mdev.iommu_device === null
        ? vfio.vfio_register_emulated_iommu_dev(vdev)
        : vfio.vfio_register_siov_dev(vdev, mdev.iommu_device);
    },
    remove(mdev, whenUnused) {
      const vdev = vfio.deviceOf(mdev);
      if (vdev === undefined) {
        whenUnused();
        return;
      }
      vfio.vfio_unregister_group_dev(vdev);
      vfio.whenUnused(mdev, () => {
        vfio.vfio_put_device(vdev);
        whenUnused();
      });
    },
  };
}
