/** What the QAT driver brings to its virtual devices: a type for each service, and one ring pair each. Linux drivers/crypto/intel/qat; QATlib. */
import type { Device } from '../../core/device.ts';
import { ENODEV } from '../../errno.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { Vdcm, type VdcmModel, type VdcmParts, type VdevType } from '../../vdcm/vdcm.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import type { QatDevice, QatRingPair } from '../qat-device.ts';
import type { QatService } from '../services.ts';
import { QatVdev, type QatVdevParts } from './qat-vdev.ts';

export interface QatVdcmParts extends QatVdevParts, VdcmParts {
  deviceOf(dev: Device): QatDevice | undefined;
}

interface QatVdevType extends VdevType {
  readonly service: QatService;
}

const TYPES: readonly QatVdevType[] = [
  { name: 'vqat_sym', title: 'one ring pair for symmetric cryptography', service: 'sym' },
  { name: 'vqat_asym', title: 'one ring pair for public key cryptography', service: 'asym' },
  { name: 'vqat_dc', title: 'one ring pair for compression', service: 'dc' },
];

export function createQatVdcm(parts: QatVdcmParts): Vdcm<QatVdev> {
  return new Vdcm(parts, new QatModel(parts));
}

class QatModel implements VdcmModel<QatVdev> {
  readonly name = 'qat';
  readonly types = TYPES;
  readonly #parts: QatVdcmParts;

  constructor(parts: QatVdcmParts) {
    this.#parts = parts;
  }

  available(parent: Device, type: string): number {
    return this.#free(this.#parts.deviceOf(parent), type).length;
  }

  compose(mdev: MdevDevice, hooks: VdcmHooks<QatVdev>): QatVdev | number {
    const qat = this.#parts.deviceOf(mdev.type.parent.dev);
    const [pair] = this.#free(qat, mdev.type.name);
    return qat === undefined || pair === undefined
      ? -ENODEV
      : new QatVdev(this.#parts, hooks, mdev, { qat, pair });
  }

  decompose({ pair }: QatVdev): void {
    pair.reset();
    pair.setPasid(null);
    pair.owner = null;
    pair.publish();
  }

  #free(qat: QatDevice | undefined, name: string): readonly QatRingPair[] {
    const type = TYPES.find((t) => t.name === name);
    return qat === undefined || type === undefined ? [] : qat.free(type.service);
  }
}
