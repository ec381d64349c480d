/** The scene played on a machine of its own, for tests of the engine's side of panes. */
import type { ViewId, ViewModel, ViewParams } from '../../../src-main/protocol/views.ts';
import { makeView } from '../../../src-main/services/views/views.ts';
import { bootLab, type Lab, type LabOptions } from '../linux-machine.ts';
import { SCENE_MACHINE } from './scene-machine.ts';
import { Scene, SCENE_STEPS, type SceneStep } from './scene.ts';

export interface PlayedScene extends Lab {
  show(view: ViewId, params?: ViewParams): ViewModel;
}

export function bootScene(
  steps: readonly SceneStep[] = SCENE_STEPS,
  options: LabOptions = {},
): PlayedScene {
  const { kernel: params, ...machine } = SCENE_MACHINE;
  const lab = bootLab({ ...machine, params, ...options });
  const scene = new Scene(lab.kernel);
  steps.forEach((step) => scene.play(step));
  const { trace } = lab.machine;
  return {
    ...lab,
    show: (view, viewParams = {}) =>
      makeView(view, { machine: lab.machine, trace, at: trace.head, params: viewParams }),
  };
}
