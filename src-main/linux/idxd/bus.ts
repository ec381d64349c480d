/**
 * The dsa bus (drivers/dma/idxd/bus.c, compat.c): the drivers that bring a device or a queue up when its name is written
 * to their `bind`. `dsa` takes both, as the first kernels had it; `idxd` takes devices, the others queues of their type.
 */
import type { SysfsAttribute } from '../core/sysfs.ts';
import { EBUSY, EINVAL, ENODEV, EOPNOTSUPP } from '../errno.ts';
import type { Sysfs } from '../core/sysfs.ts';
import type { IdxdDevice } from './idxd-device.ts';
import { SCMD } from './software-status.ts';
import type { IdxdWq, WqType } from './wq.ts';

export interface DsaBusPorts {
  readonly sysfs: Sysfs;
  devices(): readonly IdxdDevice[];
  /** A queue came up or is about to go down: nodes and users of its type follow. */
  didBind(idxd: IdxdDevice, wq: IdxdWq): void;
  willUnbind(idxd: IdxdDevice, wq: IdxdWq): void;
  /** Whether user space may have queues here at all. */
  hasIommu(): boolean;
}

interface BusDriver {
  readonly name: string;
  readonly takesDevices: boolean;
  readonly types: readonly WqType[];
}

const DRIVERS: readonly BusDriver[] = [
  { name: 'dsa', takesDevices: true, types: ['kernel', 'user', 'mdev'] },
  { name: 'idxd', takesDevices: true, types: [] },
  { name: 'dmaengine', takesDevices: false, types: ['kernel'] },
  { name: 'user', takesDevices: false, types: ['user'] },
  { name: 'mdev', takesDevices: false, types: ['mdev'] },
];

type Target =
  | { readonly idxd: IdxdDevice; readonly wq: null }
  | { readonly idxd: IdxdDevice; readonly wq: IdxdWq };

export class DsaBus {
  readonly #ports: DsaBusPorts;

  constructor(ports: DsaBusPorts) {
    this.#ports = ports;
  }

  /** The module is loaded: the drivers' directories appear. */
  register(): void {
    for (const driver of DRIVERS) {
      const path = `bus/dsa/drivers/${driver.name}`;
      this.#ports.sysfs.mkdir(path);
      this.#ports.sysfs.file(
        `${path}/bind`,
        this.#store(driver, (t) => this.bind(t)),
      );
      this.#ports.sysfs.file(
        `${path}/unbind`,
        this.#store(driver, (t) => this.unbind(t)),
      );
    }
  }

  unregister(): void {
    DRIVERS.forEach(({ name }) => this.#ports.sysfs.remove(`bus/dsa/drivers/${name}`));
  }

  bind({ idxd, wq }: Target): number {
    if (wq === null) {
      return idxd.enable();
    }
    if (wq.config.type === 'user' && !this.#ports.hasIommu()) {
      idxd.cmd_status = SCMD.WQ_USER_NO_IOMMU;
      return -EOPNOTSUPP;
    }
    const result = wq.bind();
    if (result === 0) {
      this.#ports.didBind(idxd, wq);
    }
    return result;
  }

  /** -EBUSY while somebody uses it. */
  unbind({ idxd, wq }: Target): number {
    if (wq !== null) {
      return this.#unbindWq(idxd, wq);
    }
    if (idxd.wqs.some((w) => w.clients > 0 || w.isLocked)) {
      return -EBUSY;
    }
    idxd.wqs.filter((w) => w.isBound).forEach((w) => this.#unbindWq(idxd, w));
    return idxd.disable();
  }

  #unbindWq(idxd: IdxdDevice, wq: IdxdWq): number {
    if (!wq.isBound) {
      return -ENODEV;
    }
    if (wq.clients > 0 || wq.isLocked) {
      return -EBUSY;
    }
    this.#ports.willUnbind(idxd, wq);
    wq.unbind();
    return 0;
  }

  #store(driver: BusDriver, run: (target: Target) => number): SysfsAttribute {
    return {
      store: (text) => {
        const target = this.#find(text.trim());
        if (target === undefined) {
          return -ENODEV;
        }
        const matches =
          target.wq === null ? driver.takesDevices : driver.types.includes(target.wq.config.type);
        return matches ? run(target) : -EINVAL;
      },
    };
  }

  #find(name: string): Target | undefined {
    for (const idxd of this.#ports.devices()) {
      const wq = idxd.wqs.find((w) => w.name === name);
      if (idxd.name === name || wq !== undefined) {
        return { idxd, wq: wq ?? null };
      }
    }
    return undefined;
  }
}
