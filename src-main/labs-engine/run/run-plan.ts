/** What a run is made from. A run is fixed by its plan: the same plan gives the same trace. */
import type { KernelOptions } from '../../linux/kernel.ts';
import type { MachineConfig } from '../../sim/index.ts';
import type { KernelProfile } from '../../protocol/lab-api.ts';
import type { LabPackage } from '../package/lab-package.ts';
import { resolveMachine, type MachineDraft } from '../package/machine-variants.ts';
import { invariant } from '../../bits/invariant.ts';

export interface PlannedScript {
  readonly path: string;
  readonly text: string;
  readonly actor: string;
}

export interface RunPlan {
  readonly machine: MachineConfig;
  readonly kernelParams?: NonNullable<KernelOptions['params']>;
  /** In the order in which they run. */
  readonly scripts: readonly PlannedScript[];
}

export interface LabRunChoice {
  /** The lab's first seed and profile when absent. */
  readonly seed?: number;
  readonly profile?: KernelProfile;
  /** Texts by path in place of the starter. */
  readonly texts?: ReadonlyMap<string, string>;
}

export type TextVersion = 'starter' | 'solution';

/** The lab's scripts as the learner gets them, or as they should become. */
export function scriptTexts(lab: LabPackage, version: TextVersion): ReadonlyMap<string, string> {
  return new Map(lab.scripts.map((script) => [script.path, script[version].text]));
}

export function planLabRun(lab: LabPackage, choice: LabRunChoice = {}): RunPlan {
  const seed = choice.seed ?? lab.seeds[0] ?? 1;
  const profile = choice.profile ?? lab.profiles[0] ?? 'iommufd';
  const { machine } = resolveMachine(lab.machine, seed);
  invariant(machine !== undefined, `${lab.id}: seed ${String(seed)} gives no machine`);
  return planRun({
    machine,
    seed,
    profile,
    scripts: lab.scripts.map(({ path, actor, starter }) => ({
      path,
      actor,
      text: choice.texts?.get(path) ?? starter.text,
    })),
  });
}

export function planRun(parts: {
  readonly machine: MachineDraft;
  readonly seed: number;
  readonly profile: KernelProfile;
  readonly scripts: readonly PlannedScript[];
}): RunPlan {
  const { kernel, ...machine } = parts.machine;
  return {
    machine: { ...machine, seed: parts.seed, kernelProfile: parts.profile },
    ...(kernel === undefined ? {} : { kernelParams: kernel }),
    scripts: parts.scripts,
  };
}
