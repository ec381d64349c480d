/**
 * What SDK modules stand on: the kernels and processes of the run. One environment serves all modules of a run; the actor of
 * the calling file decides which kernel answers.
 */
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { Trace } from '../../sim/index.ts';
import { SCRIPT_CALLED } from '../../spec/events/script.ts';
import type { VirtualMachines } from '../../vmm/virtual-machines.ts';
import { ScriptError } from './sdk-module.ts';
import type { HostCall, HostFunctionSpec, ScriptValue } from './sdk-module.ts';

export interface SdkEnvironment {
  /** The host's kernel for `host-driver`, `vdcm` and `application`; a guest's own for `guest-driver`. */
  kernelOf(actor: string): Kernel;
  /** The process in whose name user-side calls are made. */
  processOf(actor: string): Process;
  /** Takes what a script reports to the lab. */
  onReport?(key: string, value: ScriptValue): void;
  /** The run's trace, for what scripts may ask about the run so far; absent where none is kept. */
  readonly trace?: Trace;
  /** VMs of the host; absent where there can be none. */
  readonly vms?: VirtualMachines;
  /** Follows calls from kernel to kernel; absent where only one runs. */
  readonly context?: CallContext;
}

/** Which kernel runs, when one calls into another: a guest whose access ends in a driver of the host. */
export interface CallContext {
  /** Runs a call that a script makes to a kernel. */
  callTo<T>(kernel: Kernel, body: () => T): T;
  /** The value with its functions tied to the kernel they are handed to. */
  bind(kernel: Kernel, value: ScriptValue): ScriptValue;
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

function callTo<T>(
  { context }: SdkEnvironment,
  kernel: Kernel,
  args: readonly ScriptValue[],
  body: (args: readonly ScriptValue[]) => T,
): T {
  return context === undefined
    ? body(args)
    : context.callTo(kernel, () => body(args.map((arg) => context.bind(kernel, arg))));
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
      return core.hw.within(seq, () =>
        callTo(environment, context.kernel, args, (own) => {
          const result = body(context, ...own);
          core.settle();
          return result;
        }),
      );
    },
  };
}

/** What a guest reads may exit to its VMM: a debugger that looked would change the run. */
function refuseInGuest({ core }: Kernel): void {
  if (!core.isHost) {
    throw new ScriptError(
      `A watch expression cannot look into ${core.name}: the guest would run for it`,
    );
  }
}

/** A function that only reads, so that watch expressions may call it; there it leaves no record. */
export function query(environment: SdkEnvironment, body: BoundFunction): HostFunctionSpec {
  return {
    readOnly: true,
    run: (call, ...args) => {
      const context = bound(environment, call);
      const { core } = context.kernel;
      if (call.purpose !== 'run') {
        refuseInGuest(context.kernel);
        return core.quietly(() =>
          callTo(environment, context.kernel, args, (own) => body(context, ...own)),
        );
      }
      const { path, line } = call.site();
      const seq = core.emit(SCRIPT_CALLED, path, line, call.functionName);
      return core.hw.within(seq, () =>
        callTo(environment, context.kernel, args, (own) => body(context, ...own)),
      );
    },
  };
}

/** A function about values alone: no kernel, no record. */
export function pure(body: (...args: ScriptValue[]) => ScriptValue): HostFunctionSpec {
  return { readOnly: true, run: (_call, ...args) => body(...args) };
}
