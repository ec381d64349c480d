/**
 * What the ice driver brings to its virtual devices: types of one or four queue pairs, all from one pool, so that each device
 * of one type makes fewer of the other. Linux drivers/vfio/mdev; Intel's idxd VDCM, 2020.
 */
import type { Device } from '../../core/device.ts';
import { ENODEV, ENOSPC } from '../../errno.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { Vdcm, type VdcmModel, type VdcmParts, type VdevType } from '../../vdcm/vdcm.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import type { IceDevice } from '../ice-device.ts';
import { IceVdev, type IceVdevParts } from './ice-vdev.ts';

export interface IceVdcmParts extends IceVdevParts, VdcmParts {
  deviceOf(dev: Device): IceDevice | undefined;
}

interface IceVdevType extends VdevType {
  readonly queuePairs: number;
}

const TYPES: readonly IceVdevType[] = [
  { name: 'vdcm-1qp-v1', title: 'one queue pair', queuePairs: 1 },
  { name: 'vdcm-4qp-v1', title: 'four queue pairs', queuePairs: 4 },
];

export function createIceVdcm(parts: IceVdcmParts): Vdcm<IceVdev> {
  return new Vdcm(parts, new IceModel(parts));
}

class IceModel implements VdcmModel<IceVdev> {
  readonly name = 'ice';
  readonly types = TYPES;
  readonly #parts: IceVdcmParts;

  constructor(parts: IceVdcmParts) {
    this.#parts = parts;
  }

  available(parent: Device, type: string): number {
    const ice = this.#parts.deviceOf(parent);
    return Math.floor((ice?.free.length ?? 0) / queuePairsOf(type));
  }

  compose(mdev: MdevDevice, hooks: VdcmHooks<IceVdev>): IceVdev | number {
    const ice = this.#parts.deviceOf(mdev.type.parent.dev);
    if (ice === undefined) {
      return -ENODEV;
    }
    const wanted = queuePairsOf(mdev.type.name);
    const pairs = ice.free.slice(0, wanted);
    return pairs.length < wanted ? -ENOSPC : new IceVdev(this.#parts, hooks, mdev, { ice, pairs });
  }

  decompose({ pairs }: IceVdev): void {
    for (const pair of pairs) {
      pair.reset();
      pair.setPasid(null);
      pair.setAddress(false);
      pair.owner = null;
      pair.publish();
    }
  }
}

function queuePairsOf(type: string): number {
  return TYPES.find(({ name }) => name === type)?.queuePairs ?? Number.POSITIVE_INFINITY;
}
