/** Everything that panes can show, in one run: each step is one call of a script. */
import type { Kernel } from '../../../src-main/linux/kernel.ts';
import type { OpenVdev } from '../linux-idxd.ts';
import { AcceleratorScene } from './accelerator-scene.ts';
import { nicScene, qatScene } from './class-scenes.ts';
import { nestedScene, staleScene } from './translation-scene.ts';
import { vmScene } from './vm-scene.ts';

export const SCENE_STEPS = [
  'queues',
  'process',
  'vdev',
  'nested',
  'vm',
  'nic',
  'qat',
  'stale',
] as const;
export type SceneStep = (typeof SCENE_STEPS)[number];

export class Scene {
  readonly #kernel: Kernel;
  #accelerator: AcceleratorScene | undefined;
  #nested: OpenVdev | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  play(step: SceneStep): void {
    const kernel = this.#kernel;
    this.#accelerator ??= new AcceleratorScene(kernel);
    const { host } = this.#accelerator;
    switch (step) {
      case 'queues':
        break;
      case 'process':
        this.#accelerator.process();
        break;
      case 'vdev':
        this.#accelerator.vdev();
        break;
      case 'nested':
        this.#nested = nestedScene(host);
        break;
      case 'vm':
        vmScene(host);
        break;
      case 'nic':
        nicScene(kernel);
        break;
      case 'qat':
        qatScene(kernel);
        break;
      case 'stale': {
        const vdev = kernel.idxd.vdcm.vdevs[0];
        if (this.#nested !== undefined && vdev !== undefined) {
          staleScene(host, this.#nested, vdev.pasids.default);
        }
      }
    }
  }
}
