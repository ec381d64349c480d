/**
 * What SDK modules stand on: the kernels and processes of the run. One environment serves all modules of a run; the actor of
 * the calling file decides which kernel answers.
 */
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { SCRIPT_CALLED } from '../../spec/events/script.ts';
import type { HostCall, HostFunctionSpec, ScriptValue } from './sdk-module.ts';

export interface SdkEnvironment {
  /** The host's kernel for `host-driver`, `vdcm` and `application`; a guest's own for `guest-driver`. */
  kernelOf(actor: string): Kernel;
  /** The process in whose name user-side calls are made. */
  processOf(actor: string): Process;
  /** Takes what a script reports to the lab. */
  onReport?(key: string, value: ScriptValue): void;
}

/** One call as a bound function sees it. */
export interface BoundCall {
  readonly kernel: Kernel;
  readonly call: HostCall;
  /** The process that makes user-side calls. */
  process(): Process;
}

export type BoundFunction = (bound: BoundCall, ...args: ScriptValue[]) => ScriptValue | void;

function bound(environment: SdkEnvironment, call: HostCall): BoundCall {
  return {
    kernel: environment.kernelOf(call.actor),
    call,
    process: () => environment.processOf(call.actor),
  };
}

/**
 * A function that may change the machine. The script's line is recorded and is the cause of all that follows; interrupts
 * that became pending are handled before it returns.
 */
export function effect(environment: SdkEnvironment, body: BoundFunction): HostFunctionSpec {
  return {
    run: (call, ...args) => {
      const context = bound(environment, call);
      const { core } = context.kernel;
      const { path, line } = call.site();
      const seq = core.emit(SCRIPT_CALLED, path, line, call.functionName);
      return core.hw.within(seq, () => {
        const result = body(context, ...args);
        core.settle();
        return result;
      });
    },
  };
}

/** A function that only reads, so that watch expressions may call it; there it leaves no record. */
export function query(environment: SdkEnvironment, body: BoundFunction): HostFunctionSpec {
  return {
    readOnly: true,
    run: (call, ...args) => {
      const context = bound(environment, call);
      const { core } = context.kernel;
      if (call.purpose !== 'run') {
        return core.quietly(() => body(context, ...args));
      }
      const { path, line } = call.site();
      const seq = core.emit(SCRIPT_CALLED, path, line, call.functionName);
      return core.hw.within(seq, () => body(context, ...args));
    },
  };
}

/** A function about values alone: no kernel, no record. */
export function pure(body: (...args: ScriptValue[]) => ScriptValue): HostFunctionSpec {
  return { readOnly: true, run: (_call, ...args) => body(...args) };
}
