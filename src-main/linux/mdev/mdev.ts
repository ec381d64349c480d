/**
 * The mediated device core in both eras (drivers/vfio/mdev/mdev_core.c and mdev_sysfs.c): parents and their types in sysfs,
 * creation by UUID, removal, and accounting.
 *
 * Removing a device that somebody has open waits for the user. The writer of `remove` then gets -EINPROGRESS here, where
 * Linux would keep it in the kernel; the removal ends by itself when the last user closes.
 */
import { UEVENT_SENT } from '../../spec/events/linux.ts';
import type { Core } from '../core/core.ts';
import { bindDriver, unbindDriver, type Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EAGAIN, EEXIST, EINPROGRESS, EINVAL, ENODEV, EUSERS } from '../errno.ts';
import {
  MdevDevice,
  type MdevDriver,
  type MdevParent,
  type MdevParentOps,
  type MdevType,
  type MdevTypeGroup,
  type MdevTypeSpec,
} from './mdev-device.ts';
import { parseUuid } from './uuid.ts';

/** The bus driver of the 2019 era, which makes a VFIO device of every mediated device. */
export interface MdevBusDriver {
  probe(mdev: MdevDevice): number;
  /** Takes the VFIO device away; `whenUnused` runs as soon as nobody has it open, maybe at once. */
  remove(mdev: MdevDevice, whenUnused: () => void): void;
}

/** How the core learns whether a device is still in use after its driver gave it up. */
export interface MdevUsage {
  /** Runs `then` when no user is left, maybe at once. */
  whenUnused(mdev: MdevDevice, then: () => void): void;
}

const BUS_DIRECTORY = 'class/mdev_bus';

export class Mdev {
  readonly #core: Core;
  readonly #sysfs: Sysfs;
  readonly #parents = new Map<Device, MdevParent>();
  readonly #mdevs = new Map<string, MdevDevice>();
  readonly #drivers = new Set<MdevDriver>();
  #busDriver: MdevBusDriver | null = null;
  #usage: MdevUsage = { whenUnused: (_mdev, then) => then() };

  constructor(core: Core, sysfs: Sysfs) {
    this.#core = core;
    this.#sysfs = sysfs;
    sysfs.mkdir('bus/mdev/devices');
    exportSymbols<Mdev>(core, this, {
      calls: [
        'mdev_register_driver',
        'mdev_unregister_driver',
        'mdev_register_parent',
        'mdev_unregister_parent',
        'mdev_register_device',
        'mdev_unregister_device',
        'mdev_set_iommu_device',
      ],
      queries: ['mdev_get_iommu_device'],
    });
  }

  useBusDriver(driver: MdevBusDriver): void {
    this.#busDriver = driver;
  }

  useUsage(usage: MdevUsage): void {
    this.#usage = usage;
  }

  get devices(): readonly MdevDevice[] {
    return [...this.#mdevs.values()];
  }

  find(uuid: string): MdevDevice | undefined {
    return this.#mdevs.get(uuid.toLowerCase());
  }

  parentOf(dev: Device): MdevParent | undefined {
    return this.#parents.get(dev);
  }

  // ---- drivers and parents, later era --------------------------------------------------------------------------------

  mdev_register_driver(driver: MdevDriver): number {
    if (driver.device_api === undefined || driver.device_api === '') {
      return -EINVAL;
    }
    this.#drivers.add(driver);
    this.#sysfs.mkdir(`bus/mdev/drivers/${driver.name}`);
    return 0;
  }

  mdev_unregister_driver(driver: MdevDriver): void {
    if (this.#drivers.delete(driver)) {
      this.#sysfs.remove(`bus/mdev/drivers/${driver.name}`);
    }
  }

  mdev_register_parent(dev: Device, driver: MdevDriver, types: readonly MdevTypeSpec[]): number {
    if (this.#parents.has(dev)) {
      return -EEXIST;
    }
    if (!this.#drivers.has(driver)) {
      return -EINVAL;
    }
    const parent = this.#newParent(dev, { driver, ops: null });
    parent.types.push(
      ...types.map((t) => this.#typeOf(parent, t.sysfs_name, t.pretty_name ?? '', t.data)),
    );
    for (const type of parent.types) {
      this.#addType(type, driver.device_api ?? '');
    }
    this.#registered(parent);
    return 0;
  }

  mdev_unregister_parent(dev: Device): void {
    this.#unregister(dev);
  }

  // ---- parents, 2019 -------------------------------------------------------------------------------------------------

  mdev_register_device(dev: Device, ops: MdevParentOps): number {
    const { create, remove, supported_type_groups } = ops;
    if (create === undefined || remove === undefined || supported_type_groups === undefined) {
      return -EINVAL;
    }
    if (this.#parents.has(dev)) {
      return -EEXIST;
    }
    const parent = this.#newParent(dev, { driver: null, ops });
    for (const group of supported_type_groups) {
      const type = this.#typeOf(parent, group.name, group.name, group);
      parent.types.push(type);
      this.#addTypeGroup(type, group);
    }
    this.#registered(parent);
    return 0;
  }

  mdev_unregister_device(dev: Device): void {
    this.#unregister(dev);
  }

  /** 2019: names the device whose IOMMU carries the DMA of a mediated device. */
  mdev_set_iommu_device(mdev: MdevDevice, iommuDevice: Device | null): number {
    mdev.iommu_device = iommuDevice;
    mdev.publish();
    return 0;
  }

  mdev_get_iommu_device(mdev: MdevDevice): Device | null {
    return mdev.iommu_device;
  }

  // ---- life of a device ----------------------------------------------------------------------------------------------

  /** `echo UUID > create`: 0 or a negative error number. */
  create(type: MdevType, text: string): number {
    const uuid = parseUuid(text);
    if (uuid === undefined) {
      return -EINVAL;
    }
    const { parent } = type;
    if (parent.isUnregistering) {
      return -ENODEV;
    }
    if (this.#mdevs.has(uuid)) {
      return -EEXIST;
    }
    if (parent.available_instances === 0) {
      return -EUSERS;
    }
    if (parent.available_instances > 0) {
      parent.available_instances -= 1;
    }
    const mdev = new MdevDevice(this.#core, this.#sysfs, uuid, type);
    this.#mdevs.set(uuid, mdev);
    parent.mdevs.add(mdev);
    mdev.onRelease(() => this.#released(mdev));
    const result = parent.ops === null ? this.#bringUp(mdev) : this.#bringUp2019(mdev);
    if (result < 0) {
      mdev.refs.put();
      return result;
    }
    this.#sysfs.link(`${mdev.path}/mdev_type`, this.#typePath(type));
    this.#sysfs.link(`${this.#typePath(type)}/devices/${uuid}`, mdev.path);
    this.#sysfs.file(`${mdev.path}/remove`, { store: (value) => this.remove(mdev, value) });
    mdev.setState('active');
    this.#touchParent(parent);
    return 0;
  }

  /** `echo 1 > remove`. -EINPROGRESS: somebody has the device open, and the removal waits for them. */
  remove(mdev: MdevDevice, value: string): number {
    const text = value.trim();
    if (!/^\d+$/.test(text)) {
      return -EINVAL;
    }
    if (Number(text) === 0) {
      return 0;
    }
    if (mdev.state !== 'active') {
      return -EAGAIN;
    }
    this.#takeDown(mdev);
    return this.#mdevs.get(mdev.uuid) === mdev ? -EINPROGRESS : 0;
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #newParent(dev: Device, by: Pick<MdevParent, 'driver' | 'ops'>): MdevParent {
    return {
      dev,
      ...by,
      types: [],
      mdevs: new Set(),
      available_instances: by.driver?.max_instances ?? -1,
      isUnregistering: false,
    };
  }

  #typeOf(parent: MdevParent, name: string, prettyName: string, data: unknown): MdevType {
    const { dev } = parent;
    const prefix = dev.driver?.name ?? dev.bus ?? '';
    return {
      parent,
      id: `${prefix}-${name}`,
      name,
      pretty_name: prettyName === '' ? name : prettyName,
      data,
    };
  }

  #typePath(type: MdevType): string {
    return `${type.parent.dev.path}/mdev_supported_types/${type.id}`;
  }

  #addType(type: MdevType, deviceApi: string): void {
    const path = this.#typePath(type);
    const { driver } = type.parent;
    this.#addCommon(type);
    this.#sysfs.file(`${path}/available_instances`, {
      show: () => String(this.#available(type)),
      isLazy: driver?.get_available !== undefined,
    });
    this.#sysfs.file(`${path}/device_api`, { show: () => deviceApi });
    this.#sysfs.file(`${path}/name`, { show: () => type.pretty_name });
    if (driver?.show_description !== undefined) {
      this.#sysfs.file(`${path}/description`, {
        show: () => driver.show_description?.(type) ?? '',
        isLazy: true,
      });
    }
  }

  #addTypeGroup(type: MdevType, group: MdevTypeGroup): void {
    this.#addCommon(type);
    for (const [name, show] of Object.entries(group.attributes)) {
      this.#sysfs.file(`${this.#typePath(type)}/${name}`, {
        show,
        isLazy: group.isLazy === true,
      });
    }
  }

  #addCommon(type: MdevType): void {
    const path = this.#typePath(type);
    this.#sysfs.mkdir(path);
    this.#sysfs.mkdir(`${path}/devices`);
    this.#sysfs.file(`${path}/create`, { store: (text) => this.create(type, text) });
  }

  #available(type: MdevType): number {
    const { driver } = type.parent;
    return driver?.get_available === undefined
      ? Math.max(0, type.parent.available_instances)
      : driver.get_available(type);
  }

  #registered(parent: MdevParent): void {
    this.#parents.set(parent.dev, parent);
    this.#sysfs.link(`${BUS_DIRECTORY}/${parent.dev.name}`, parent.dev.path);
    this.#uevent(parent, 'registered');
    this.#touchParent(parent);
  }

  #unregister(dev: Device): void {
    const parent = this.#parents.get(dev);
    if (parent === undefined || parent.isUnregistering) {
      return;
    }
    parent.isUnregistering = true;
    this.#uevent(parent, 'unregistered');
    this.#sysfs.remove(`${BUS_DIRECTORY}/${dev.name}`);
    for (const mdev of [...parent.mdevs]) {
      if (mdev.state === 'active') {
        this.#takeDown(mdev);
      }
    }
    this.#finishUnregister(parent);
  }

  /** The types go with the last child. */
  #finishUnregister(parent: MdevParent): void {
    if (parent.mdevs.size > 0) {
      return;
    }
    this.#sysfs.remove(`${parent.dev.path}/mdev_supported_types`);
    this.#parents.delete(parent.dev);
    this.#core.publish(`mdev/parent/${parent.dev.name}`, undefined);
  }

  /** Later era: the device appears, then the driver is bound to it explicitly. */
  #bringUp(mdev: MdevDevice): number {
    const { driver } = mdev.type.parent;
    mdev.add();
    if (driver === null) {
      return -ENODEV;
    }
    const result = bindDriver(mdev, {
      name: driver.name,
      probe: () => driver.probe(mdev),
      remove: () => driver.remove(mdev),
    });
    if (result < 0) {
      mdev.remove();
    }
    return result;
  }

  /** 2019: the vendor's create comes before the device appears, the generic bus driver after. */
  #bringUp2019(mdev: MdevDevice): number {
    const { ops } = mdev.type.parent;
    const name = ops?.name ?? '';
    const created = this.#core.callback(name, 'create', mdev.uuid, () => ops?.create?.(mdev) ?? 0);
    if (created < 0) {
      return created;
    }
    mdev.add();
    const probed = this.#busDriver?.probe(mdev) ?? -ENODEV;
    if (probed < 0) {
      mdev.remove();
      this.#core.callback(name, 'remove', mdev.uuid, () => ops?.remove?.(mdev) ?? 0);
    }
    return probed;
  }

  #takeDown(mdev: MdevDevice): void {
    mdev.setState('removing');
    this.#sysfs.remove(`${this.#typePath(mdev.type)}/devices/${mdev.uuid}`);
    const { ops } = mdev.type.parent;
    if (ops === null) {
      unbindDriver(mdev);
      this.#usage.whenUnused(mdev, () => this.#finish(mdev));
      return;
    }
    this.#busDriver?.remove(mdev, () => {
      this.#core.callback(ops.name, 'remove', mdev.uuid, () => ops.remove?.(mdev) ?? 0);
      this.#finish(mdev);
    });
  }

  #finish(mdev: MdevDevice): void {
    mdev.remove();
    mdev.refs.put();
  }

  /** Last reference: only now may the UUID and the instance be used again. */
  #released(mdev: MdevDevice): void {
    const { parent } = mdev.type;
    this.#mdevs.delete(mdev.uuid);
    parent.mdevs.delete(mdev);
    if (parent.available_instances >= 0) {
      parent.available_instances += 1;
    }
    mdev.setState('gone');
    this.#touchParent(parent);
    if (parent.isUnregistering) {
      this.#finishUnregister(parent);
    }
  }

  #touchParent(parent: MdevParent): void {
    parent.types.forEach((type) => this.#sysfs.touch(this.#typePath(type)));
    this.#core.publish(`mdev/parent/${parent.dev.name}`, {
      types: parent.types.map((t) => t.id),
      availableInstances: parent.available_instances,
      devices: [...parent.mdevs].map((m) => m.uuid),
      isUnregistering: parent.isUnregistering,
    });
  }

  /** For drivers that keep count themselves: their numbers changed. */
  touch(dev: Device): void {
    const parent = this.#parents.get(dev);
    if (parent !== undefined) {
      this.#touchParent(parent);
    }
  }

  #uevent(parent: MdevParent, state: string): void {
    this.#core.emit(UEVENT_SENT, 'change', `/${parent.dev.path}`, `MDEV_STATE=${state}`);
  }
}
