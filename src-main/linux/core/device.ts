/**
 * `struct device`: a named, reference-counted object of the device tree with a directory in sysfs, a driver and private
 * data. Buses derive their own kind from it.
 */
import { UEVENT_SENT } from '../../spec/events/linux.ts';
import { EBUSY, ENODEV } from '../errno.ts';
import type { Core } from './core.ts';
import { Refcount } from './refcount.ts';
import type { Sysfs } from './sysfs.ts';

/** A driver as the device core sees it. */
export interface Driver<D extends Device = Device> {
  readonly name: string;
  probe(device: D): number;
  remove(device: D): void;
  /** Frameworks that hand the device to user space take DMA ownership themselves (`driver_managed_dma`). */
  readonly driver_managed_dma?: boolean;
}

export interface DeviceOptions {
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly name: string;
  readonly parent?: Device;
  /** Path below /sys/devices; derived from the parent when absent. */
  readonly path?: string;
  readonly bus?: string;
}

export class Device {
  readonly name: string;
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly parent: Device | undefined;
  readonly bus: string | undefined;
  /** Path in sysfs: `devices/pci0000:6a/0000:6a:01.0`. */
  readonly path: string;
  readonly refs: Refcount;
  driver: Driver | null = null;
  /** Private data of the driver (dev_set_drvdata). */
  driver_data: unknown = null;
  isRegistered = false;
  #onRelease: (() => void)[] = [];

  constructor(options: DeviceOptions) {
    this.core = options.core;
    this.sysfs = options.sysfs;
    this.name = options.name;
    this.parent = options.parent;
    this.bus = options.bus;
    this.path = options.path ?? `${options.parent?.path ?? 'devices/virtual'}/${options.name}`;
    this.refs = new Refcount(options.core, options.name, () => {
      this.#onRelease.forEach((release) => release());
    });
  }

  /** Runs when the last reference is gone. */
  onRelease(release: () => void): void {
    this.#onRelease.push(release);
  }

  /** device_add: the device appears in the tree. */
  add(): void {
    this.sysfs.mkdir(this.path);
    if (this.bus !== undefined) {
      this.sysfs.link(`bus/${this.bus}/devices/${this.name}`, this.path);
    }
    this.isRegistered = true;
    this.uevent('add');
  }

  /** device_del: out of the tree; the object lives as long as somebody holds it. */
  remove(): void {
    this.isRegistered = false;
    this.uevent('remove');
    if (this.bus !== undefined) {
      this.sysfs.remove(`bus/${this.bus}/devices/${this.name}`);
    }
    this.sysfs.remove(this.path);
  }

  uevent(action: string, variables = ''): void {
    this.core.emit(UEVENT_SENT, action, `/${this.path}`, variables);
  }
}

/** Binds a driver to a device: the driver is set while probe runs and taken back when it fails. */
export function bindDriver<D extends Device>(device: D, driver: Driver<D>): number {
  if (device.driver !== null) {
    return -EBUSY;
  }
  device.driver = driver as unknown as Driver;
  const result = device.core.callback(driver.name, 'probe', device.name, () =>
    driver.probe(device),
  );
  if (result < 0) {
    device.driver = null;
    return result;
  }
  device.uevent('bind', `DRIVER=${driver.name}`);
  return 0;
}

export function unbindDriver(device: Device): number {
  const { driver } = device;
  if (driver === null) {
    return -ENODEV;
  }
  device.core.callback(driver.name, 'remove', device.name, () => driver.remove(device));
  device.driver = null;
  device.driver_data = null;
  device.uevent('unbind', `DRIVER=${driver.name}`);
  return 0;
}
