/** The SDK of a run, and one module more: `lab/scene` plays steps of the scene in the run's own kernel. */
import { createSdkModules as createPlainModules } from '../../../src-main/script/sdk/sdk-modules.ts';
import { effect, type SdkEnvironment } from '../../../src-main/script/sdk/environment.ts';
import { asString } from '../../../src-main/script/sdk/arguments.ts';
import { defineSdkModule, type SdkModule } from '../../../src-main/script/sdk/sdk-module.ts';
import type { Kernel } from '../../../src-main/linux/kernel.ts';
import { Scene, SCENE_STEPS } from './scene.ts';

const types = `/** Plays one step of the scene. */
export declare function play(step: ${SCENE_STEPS.map((s) => `'${s}'`).join(' | ')}): void;
`;

export function createSdkModules(environment: SdkEnvironment): readonly SdkModule[] {
  let scene: Scene | undefined;
  const sceneOf = (kernel: Kernel): Scene => (scene ??= new Scene(kernel));
  return [
    ...createPlainModules(environment),
    defineSdkModule({
      name: 'lab/scene',
      types,
      functions: {
        play: effect(environment, ({ kernel }, name) => {
          const wanted = asString(name, 'step');
          const step = SCENE_STEPS.find((s) => s === wanted);
          if (step === undefined) throw new Error(`The scene has no step ${wanted}`);
          sceneOf(kernel).play(step);
        }),
      },
    }),
  ];
}
