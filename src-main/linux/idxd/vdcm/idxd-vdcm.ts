/**
 * What the idxd driver brings to its virtual devices: the types, and which queue each device gets. Linux drivers/vfio/mdev; Intel's idxd VDCM, 2020.
 *
 * A dedicated queue goes to one VDEV at a time. A shared one goes to any number, each new one to the queue with the fewest.
 */
import type { Device } from '../../core/device.ts';
import { ENODEV } from '../../errno.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { Vdcm, type VdcmModel, type VdcmParts, type VdevType } from '../../vdcm/vdcm.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { IdxdVdev, type VdevParts } from './vdev.ts';

export interface IdxdVdcmParts extends VdevParts, VdcmParts {
  deviceOf(dev: Device): IdxdDevice | undefined;
}

interface IdxdVdevType extends VdevType {
  readonly isDedicated: boolean;
  /** Analytics hardware: the type is listed, but no accelerator of this kind has it. */
  readonly isAnalytics: boolean;
}

const TYPES: readonly IdxdVdevType[] = [
  { name: 'dsa-1dwq-v1', title: 'one dedicated queue', isDedicated: true, isAnalytics: false },
  { name: 'dsa-1swq-v1', title: 'one shared queue', isDedicated: false, isAnalytics: false },
  { name: 'iax-1dwq-v1', title: 'one dedicated queue', isDedicated: true, isAnalytics: true },
  { name: 'iax-1swq-v1', title: 'one shared queue', isDedicated: false, isAnalytics: true },
];

export function createIdxdVdcm(parts: IdxdVdcmParts): Vdcm<IdxdVdev> {
  return new Vdcm(parts, new IdxdModel(parts));
}

class IdxdModel implements VdcmModel<IdxdVdev> {
  readonly name = 'idxd';
  readonly types = TYPES;
  readonly #parts: IdxdVdcmParts;

  constructor(parts: IdxdVdcmParts) {
    this.#parts = parts;
  }

  /** Dedicated: queues that nobody has. Shared: queues that could take one more, which each of them always can. */
  available(parent: Device, type: string): number {
    return this.#candidates(this.#parts.deviceOf(parent), type).length;
  }

  compose(mdev: MdevDevice, hooks: VdcmHooks<IdxdVdev>): IdxdVdev | number {
    const idxd = this.#parts.deviceOf(mdev.type.parent.dev);
    const candidates = this.#candidates(idxd, mdev.type.name);
    const [wq] = [...candidates].sort((a, b) => a.clients - b.clients);
    if (idxd === undefined || wq === undefined) {
      return -ENODEV;
    }
    wq.addClient();
    if (wq.isDedicated) {
      wq.disable();
      wq.isLocked = true;
    }
    wq.publish();
    return new IdxdVdev(this.#parts, hooks, mdev, idxd, wq);
  }

  decompose({ wq, idxd }: IdxdVdev): void {
    if (wq.isDedicated) {
      wq.disable();
      wq.setPasid(null);
      wq.isLocked = false;
      if (wq.isBound && idxd.state === 'enabled') {
        wq.enableHardware();
      }
    }
    wq.removeClient();
  }

  #candidates(idxd: IdxdDevice | undefined, name: string): readonly IdxdWq[] {
    const type = TYPES.find((t) => t.name === name);
    if (idxd === undefined || type === undefined || type.isAnalytics || idxd.state !== 'enabled') {
      return [];
    }
    return idxd.wqs.filter(
      (wq) =>
        wq.isBound &&
        wq.config.type === 'mdev' &&
        wq.isDedicated === type.isDedicated &&
        (!wq.isDedicated || wq.clients === 0),
    );
  }
}
