// A driver that gives a card with serial ports away, port by port, as mediated devices.
import { ENOSPC } from 'linux/errno';
import {
  mdev_register_driver,
  mdev_register_parent,
  mdev_unregister_driver,
  mdev_unregister_parent,
} from 'linux/mdev';
import type { mdev_device, mdev_driver, mdev_type, mdev_type_spec } from 'linux/mdev';
import { PAGE_SIZE } from 'linux/mm';
import { pci_get_domain_bus_and_slot, pci_resource_len } from 'linux/pci';
import type { pci_dev } from 'linux/pci';
import {
  vfio_alloc_device,
  vfio_find_device,
  vfio_put_device,
  vfio_register_emulated_iommu_dev,
  vfio_unregister_group_dev,
} from 'linux/vfio';
import type { vfio_device, vfio_device_ops } from 'linux/vfio';

function functionAt(bus: number): pci_dev {
  const dev = pci_get_domain_bus_and_slot(0, bus, 0);
  if (dev === null) {
    throw new Error(`No function on bus ${bus}`);
  }
  return dev;
}

/** The card: a page of registers for each port. */
const card = functionAt(0x03);
const PORTS = pci_resource_len(card, 0) / PAGE_SIZE;

// ---- the pool ----

/** UUID of the mediated device that has a port, null for a free one. */
const owners: (string | null)[] = Array.from({ length: PORTS }, () => null);

const freePorts = (): number => owners.filter((owner) => owner === null).length;
const portsOf = (type: mdev_type): number => (type.sysfs_name === 'dual' ? 2 : 1);

/** Gives `count` free ports to a device, or none of them. Returns whether there were enough. */
function take(uuid: string, count: number): boolean {
  if (freePorts() < count) {
    return false;
  }
  for (let left = count; left > 0; left--) {
    owners[owners.indexOf(null)] = uuid;
  }
  return true;
}

function giveBack(uuid: string): void {
  owners.forEach((owner, port) => {
    if (owner === uuid) {
      owners[port] = null;
    }
  });
}

// ---- what a program opens ----

const mdevOf = (vdev: vfio_device): mdev_device => vdev.dev as mdev_device;

const ops: vfio_device_ops = {
  name: 'port_ops',

  /** The device comes to life. */
  init(vdev) {
    const { uuid, type } = mdevOf(vdev);
    // #region solution init
    return take(uuid, portsOf(type)) ? 0 : -ENOSPC;
    // #region starter
    // What if there are not enough?
    take(uuid, portsOf(type));
    return 0;
    // #endregion
    // #endregion
  },

  /** The last reference is gone: nobody can use the device any more. */
  release(vdev) {
    // #region solution release
    giveBack(mdevOf(vdev).uuid);
    // #region starter
    console.log('released', vdev.name);
    // #endregion
    // #endregion
  },

  /** Byte n of the device tells which port is its nth. */
  read(vdev, count, position) {
    const { uuid } = mdevOf(vdev);
    const ports = owners.flatMap((owner, port) => (owner === uuid ? [port] : []));
    return Uint8Array.from(ports.slice(position, position + count));
  },
};

// ---- the driver ----

const driver: mdev_driver = {
  name: 'port-pool',
  // #region solution api
  device_api: 'vfio-pci',
  // #region starter
  // What will a program speak to devices of this driver?
  // #endregion
  // #endregion

  /** Somebody wrote a UUID to `create`. */
  probe(mdev) {
    const vdev = vfio_alloc_device(mdev, ops);
    if (typeof vdev === 'number') {
      return vdev;
    }
    const result = vfio_register_emulated_iommu_dev(vdev);
    if (result < 0) {
      vfio_put_device(vdev);
    }
    return result;
  },

  /** Somebody wrote 1 to `remove`. */
  remove(mdev) {
    const vdev = vfio_find_device(mdev);
    if (vdev !== null) {
      vfio_unregister_group_dev(vdev);
      vfio_put_device(vdev);
    }
    // #region solution remove
    // #region starter
    giveBack(mdev.uuid);
    // #endregion
    // #endregion
  },

  /** What the file available_instances of a type shows. */
  get_available(type) {
    // #region solution available
    return Math.floor(freePorts() / portsOf(type));
    // #region starter
    return PORTS / portsOf(type);
    // #endregion
    // #endregion
  },
};

const types: mdev_type_spec[] = [
  { sysfs_name: 'single', pretty_name: 'One serial port' },
  // #region solution types
  { sysfs_name: 'dual', pretty_name: 'Two serial ports' },
  // #region starter
  // And one with two ports, named dual.
  // #endregion
  // #endregion
];

// ---- a driver that lets the core count ----

/** Another card, whose two slots are all alike. */
const slotCard = functionAt(0x04);

const slotDriver: mdev_driver = {
  name: 'slots',
  device_api: 'vfio-pci',
  // #region solution slots
  max_instances: 2,
  // #region starter
  // The core counts when it knows how many there can be.
  // #endregion
  // #endregion
  probe(mdev) {
    const vdev = vfio_alloc_device(mdev, { name: 'slot_ops' });
    return typeof vdev === 'number' ? vdev : vfio_register_emulated_iommu_dev(vdev);
  },
  remove: (mdev) => driver.remove(mdev),
};

// ---- module ----

export function load(): void {
  console.log('mdev_register_driver:', mdev_register_driver(driver));
  console.log('mdev_register_parent:', mdev_register_parent(card, driver, types));
  mdev_register_driver(slotDriver);
  mdev_register_parent(slotCard, slotDriver, [{ sysfs_name: 'slot' }]);
}

export function unload(): void {
  mdev_unregister_parent(slotCard);
  mdev_unregister_driver(slotDriver);
  // #region solution unload
  mdev_unregister_parent(card);
  mdev_unregister_driver(driver);
  // #region starter
  // The other card and its driver go in the same way.
  // #endregion
  // #endregion
}
