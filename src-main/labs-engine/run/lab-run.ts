/**
 * One run: a machine, a host kernel booted on it, and the scripts of a lab against both.
 *
 * ```ts
 * const run = new LabRun({ plan: planLabRun(lab, { texts }), engine });
 * const outcome = run.start();
 * run.trace.hash();
 * ```
 *
 * A run starts once. What a debugger or a window needs comes through `ports`: pauses, console lines, statements, stopping.
 * None of them changes the run: the same plan gives the same trace with or without them.
 */
import { createKernel, type Kernel } from '../../linux/kernel.ts';
import {
  createScriptRunner,
  type Breakpoint,
  type ScriptEngine,
  type ScriptLimits,
  type ScriptOutcome,
  type ScriptPorts,
  type ScriptProblem,
  type ScriptRunner,
} from '../../script/script-runner.ts';
import type { ConsoleMessage } from '../../script/script-console.ts';
import type { ScriptValue, SdkModule } from '../../script/sdk/sdk-module.ts';
import { createSdkModules } from '../../script/sdk/sdk-modules.ts';
import { Machine, Recorder, type CryptoPort, type Trace } from '../../sim/index.ts';
import { VirtualMachines } from '../../vmm/virtual-machines.ts';
import { Actors } from './actors.ts';
import type { RunPlan } from './run-plan.ts';

/** Work of devices that is still on its way when the scripts end may go on for this long. */
const SETTLE_NS = 1_000_000;
const SETTLE_STEPS = 100_000;

/** What a run takes from its host. */
export interface RunTools {
  readonly engine: ScriptEngine;
  /** Cryptography for devices that offer it; without it they refuse such requests. */
  readonly crypto?: CryptoPort;
}

export interface LabRunOptions extends RunTools {
  readonly plan: RunPlan;
  readonly ports?: Partial<ScriptPorts>;
  readonly limits?: Partial<ScriptLimits>;
  readonly breakpoints?: readonly Breakpoint[];
  /** Stops before the statement with this number; 1 is the first. */
  readonly pauseAtStatement?: number;
  /** Trace records kept at the least. */
  readonly traceCapacity?: number;
}

/** What a script told the lab with `report()`. */
export type Reports = ReadonlyMap<string, ScriptValue>;

export class LabRun {
  readonly plan: RunPlan;
  readonly machine: Machine;
  readonly recorder: Recorder;
  /** The host's kernel, booted. */
  readonly kernel: Kernel;
  readonly modules: readonly SdkModule[];
  readonly runner: ScriptRunner;
  readonly #console: ConsoleMessage[] = [];
  readonly #reports = new Map<string, ScriptValue>();
  #outcome: ScriptOutcome | undefined;

  constructor(options: LabRunOptions) {
    const { plan, crypto, traceCapacity: capacity } = options;
    this.plan = plan;
    this.machine = new Machine({
      config: plan.machine,
      trace: { mode: 'store', ...(capacity === undefined ? {} : { capacity }) },
      ...(crypto === undefined ? {} : { crypto }),
    });
    this.recorder = new Recorder(this.machine);
    this.kernel = createKernel({
      hw: this.recorder,
      role: 'host',
      profile: plan.machine.kernelProfile,
      ...(plan.kernelParams === undefined ? {} : { params: plan.kernelParams }),
    });
    const vms = new VirtualMachines(this.kernel);
    const actors = new Actors(vms, plan);
    this.modules = createSdkModules({
      kernelOf: (actor) => actors.kernelOf(actor),
      processOf: (actor) => actors.processOf(actor),
      vms,
      trace: this.machine.trace,
      onReport: (key, value) => this.#reports.set(key, value),
    });
    this.runner = this.#createRunner(options);
  }

  get trace(): Trace {
    return this.machine.trace;
  }

  /** What is wrong with the scripts, without running them. */
  problems(): readonly ScriptProblem[] {
    return this.runner.check();
  }

  /** Undefined until the run has ended. */
  get outcome(): ScriptOutcome | undefined {
    return this.#outcome;
  }

  get console(): readonly ConsoleMessage[] {
    return this.#console;
  }

  get reports(): Reports {
    return this.#reports;
  }

  /** Runs the scripts, then lets the machine finish what they set off. */
  start(): ScriptOutcome {
    const outcome = this.runner.run();
    this.#outcome = this.#mayGoOn(outcome) ? this.#settle(outcome) : outcome;
    return this.#outcome;
  }

  #mayGoOn({ kind }: ScriptOutcome): boolean {
    return kind !== 'stopped' && !this.problems().some((problem) => problem.severity === 'error');
  }

  /** Interrupt handlers may be functions of a script, so this is a turn of theirs as well. */
  #settle(outcome: ScriptOutcome): ScriptOutcome {
    const { queue } = this.machine;
    const end = queue.nowNs + SETTLE_NS;
    const after = this.runner.enter(() => {
      this.kernel.core.settle();
      for (let step = 0; step < SETTLE_STEPS && queue.nextDueNs <= end; step++) {
        this.kernel.core.step(queue.nextDueNs - queue.nowNs);
      }
    });
    return outcome.kind === 'finished' ? after : outcome;
  }

  #createRunner(options: LabRunOptions): ScriptRunner {
    const { plan, engine, ports, limits, breakpoints, pauseAtStatement } = options;
    return createScriptRunner({
      engine,
      files: plan.scripts.map(({ path, text, actor }) => ({ path, source: text, actor })),
      entry: plan.scripts.map(({ path }) => path),
      modules: this.modules,
      seed: plan.machine.seed,
      ports: {
        ...ports,
        onConsole: (message) => {
          this.#console.push(message);
          ports?.onConsole?.(message);
        },
      },
      ...(limits === undefined ? {} : { limits }),
      ...(breakpoints === undefined ? {} : { breakpoints }),
      ...(pauseAtStatement === undefined ? {} : { pauseAtStatement }),
    });
  }
}
