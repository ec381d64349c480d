/** Kernel objects as scripts see them: opaque handles with the members a driver may look at. */
import { Device } from '../../linux/core/device.ts';
import type { IommuDomain } from '../../linux/iommu/domain.ts';
import type { IommuGroup } from '../../linux/iommu/group.ts';
import type { IotlbGather } from '../../linux/iommu/iommu.ts';
import type { IoasidSet } from '../../linux/iommu/ioasid.ts';
import { MdevDevice, type MdevType } from '../../linux/mdev/mdev-device.ts';
import { PciDev } from '../../linux/pci/pci-dev.ts';
import type { VfioDevice } from '../../linux/vfio/vfio-device.ts';
import { ArgumentError, HostObject, defineHostType } from './sdk-module.ts';
import type { HostProperty, ScriptValue } from './sdk-module.ts';

/** `struct device`: whatever derives from it is accepted where a function takes a device. */
export function deviceOf(value: ScriptValue, argument: string): Device {
  if (value instanceof HostObject && value.target instanceof Device) {
    return value.target;
  }
  throw new ArgumentError(argument, 'a device (struct pci_dev, struct mdev_device)', value);
}

const named: HostProperty<{ readonly name: string }> = { get: (target) => target.name };

export const deviceType = defineHostType<Device>({
  name: 'struct device',
  properties: { name: named },
});

export const pciDevType = defineHostType<PciDev>({
  name: 'struct pci_dev',
  properties: {
    name: named,
    vendor: { get: (dev) => dev.vendor, format: 'hex' },
    device: { get: (dev) => dev.device, format: 'hex' },
    class: { get: (dev) => dev.class, format: 'hex' },
    devfn: { get: (dev) => dev.devfn, format: 'hex' },
    rid: { get: (dev) => dev.rid, format: 'hex' },
    is_busmaster: { get: (dev) => dev.is_busmaster },
    pasid_enabled: { get: (dev) => dev.pasid.isEnabled },
    pri_enabled: { get: (dev) => dev.pri.isEnabled },
    ats_enabled: { get: (dev) => dev.ats.isEnabled },
    is_virtfn: { get: (dev) => dev.physfn !== undefined, isPrinted: false },
  },
});

export const domainType = defineHostType<IommuDomain>({
  name: 'struct iommu_domain',
  properties: {
    name: named,
    type: { get: (domain) => domain.type },
    did: { get: (domain) => domain.did },
    default_pasid: { get: (domain) => domain.default_pasid, isPrinted: false },
  },
});

export const groupType = defineHostType<IommuGroup>({
  name: 'struct iommu_group',
  properties: { name: named, id: { get: (group) => group.id } },
});

export const gatherType = defineHostType<IotlbGather>({ name: 'struct iommu_iotlb_gather' });

export const ioasidSetType = defineHostType<IoasidSet>({
  name: 'struct ioasid_set',
  properties: { name: named, quota: { get: (set) => set.quota } },
});

/** The script-side object of a device, as the kind it is. */
export function deviceHandle(device: Device): HostObject {
  if (device instanceof PciDev) return pciDevType.of(device);
  return device instanceof MdevDevice ? mdevType.of(device) : deviceType.of(device);
}

/** NULL or ERR_PTR pass as they are. */
export function handleOr<T extends object>(
  type: { of(target: T): HostObject },
  value: T | number | null,
): ScriptValue {
  return typeof value === 'object' && value !== null ? type.of(value) : value;
}

export const mdevTypeType = defineHostType<MdevType>({
  name: 'struct mdev_type',
  properties: {
    id: { get: (type) => type.id },
    sysfs_name: { get: (type) => type.name },
    pretty_name: { get: (type) => type.pretty_name },
  },
});

export const mdevType = defineHostType<MdevDevice>({
  name: 'struct mdev_device',
  properties: {
    name: named,
    uuid: { get: (mdev) => mdev.uuid },
    type: { get: (mdev) => mdevTypeType.of(mdev.type), isPrinted: false },
    state: { get: (mdev) => mdev.state },
  },
});

export const vfioDeviceType = defineHostType<VfioDevice>({
  name: 'struct vfio_device',
  properties: {
    name: named,
    open_count: { get: (vdev) => vdev.open_count },
    dev: { get: (vdev) => deviceHandle(vdev.dev), isPrinted: false },
  },
});
