/**
 * Who makes the calls of a script: the kernel and the process that its actor stands for, or those it acts in for a while
 * (`run_in`, `run_as`).
 *
 * A function that a script hands to a kernel belongs to that kernel: it runs there whoever calls it. A register access of a
 * guest ends in an operation of the host's driver, which must find the host, although the guest is what runs.
 */
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { isRecord } from './arguments.ts';
import type { CallContext, SdkEnvironment } from './environment.ts';
import { GuestFunction, ScriptError, type ScriptValue } from './sdk-module.ts';

/** What root may do: lock memory, raw I/O, administration. */
const ROOT_CAPABILITIES = ['CAP_IPC_LOCK', 'CAP_SYS_ADMIN', 'CAP_SYS_RAWIO'] as const;

type Frame = { readonly kernel: Kernel } | { readonly process: Process };

/** A function of the script that runs in one kernel. */
class KernelFunction extends GuestFunction {
  readonly functionName: string;
  readonly #run: (args: readonly ScriptValue[]) => ScriptValue;

  constructor(functionName: string, run: (args: readonly ScriptValue[]) => ScriptValue) {
    super();
    this.functionName = functionName;
    this.#run = run;
  }

  call(...args: readonly ScriptValue[]): ScriptValue {
    return this.#run(args);
  }
}

export class ScriptContext implements CallContext {
  readonly #environment: SdkEnvironment;
  readonly #frames: Frame[] = [];
  /** The kernel of the call in progress. */
  #running: Kernel | undefined;
  readonly #bound = new WeakMap<Kernel, WeakMap<GuestFunction, GuestFunction>>();

  constructor(environment: SdkEnvironment) {
    this.#environment = environment;
  }

  kernelOf(actor: string): Kernel {
    const frame = this.#frames.findLast((f) => 'kernel' in f);
    return frame?.kernel ?? this.#environment.kernelOf(actor);
  }

  /** The process that calls now. Throws for the script when it has ended: a dead program makes no calls. */
  processOf(actor: string): Process {
    const process = this.#processOf(actor);
    if (process.isAlive) return process;
    const why = process.signal === null ? 'it has exited' : `it got ${process.signal}`;
    throw new ScriptError(`The process ${process.name} is gone: ${why}`);
  }

  /** Runs `body` as `process`. */
  actAs<T>(process: Process, body: () => T): T {
    return this.#within({ process }, body);
  }

  /** Runs `body` in `kernel`. */
  actIn<T>(kernel: Kernel, body: () => T): T {
    return this.#within({ kernel }, body);
  }

  callTo<T>(kernel: Kernel, body: () => T): T {
    const before = this.#running;
    this.#running = kernel;
    try {
      return body();
    } finally {
      this.#running = before;
    }
  }

  bind(kernel: Kernel, value: ScriptValue): ScriptValue {
    if (value instanceof GuestFunction) return this.#bindFunction(kernel, value);
    if (Array.isArray(value)) {
      return (value as readonly ScriptValue[]).map((item) => this.bind(kernel, item));
    }
    if (!isRecord(value)) return value;
    const fields = Object.entries(value).map(([name, item]) => [name, this.bind(kernel, item)]);
    return Object.fromEntries(fields) as ScriptValue;
  }

  #bindFunction(kernel: Kernel, own: GuestFunction): GuestFunction {
    const known = this.#bound.get(kernel) ?? new WeakMap<GuestFunction, GuestFunction>();
    this.#bound.set(kernel, known);
    const found = known.get(own);
    if (found !== undefined) return found;
    const made = new KernelFunction(own.functionName, (args) =>
      this.#running === kernel
        ? own.call(...args)
        : this.#within({ kernel }, () => own.call(...args)),
    );
    known.set(own, made);
    return made;
  }

  #processOf(actor: string): Process {
    const frame = this.#frames.at(-1);
    if (frame !== undefined && 'process' in frame) return frame.process;
    const kernel = this.kernelOf(actor);
    return kernel === this.#environment.kernelOf(HOST)
      ? this.#environment.processOf(actor)
      : rootOf(kernel);
  }

  #within<T>(frame: Frame, body: () => T): T {
    this.#frames.push(frame);
    try {
      return body();
    } finally {
      this.#frames.pop();
    }
  }
}

const HOST = 'host-driver';

/** The administrator of a kernel. */
export function rootOf(kernel: Kernel): Process {
  const { processes } = kernel;
  return (
    processes.find('root') ?? processes.create('root', { capabilities: [...ROOT_CAPABILITIES] })
  );
}
