/** Who answers the calls of a script: the kernel and the process that its actor stands for. */
import { invariant } from '../../bits/invariant.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { RunPlan } from './run-plan.ts';

/** What root may do on the host: lock memory, raw I/O, administration. */
const ROOT_CAPABILITIES = ['CAP_IPC_LOCK', 'CAP_SYS_ADMIN', 'CAP_SYS_RAWIO'] as const;

export class Actors {
  readonly #host: Kernel;
  readonly #plan: RunPlan;
  readonly #processes = new Map<string, Process>();

  constructor(host: Kernel, plan: RunPlan) {
    this.#host = host;
    this.#plan = plan;
  }

  kernelOf(actor: string): Kernel {
    invariant(actor !== 'guest-driver', 'The machine has no guest to run a guest driver in');
    return this.#host;
  }

  /** Made when it is first asked for: a run without user-side calls has no processes of its own. */
  processOf(actor: string): Process {
    const name = actor === 'application' ? this.#applicationName() : 'root';
    const known = this.#processes.get(name);
    if (known !== undefined) return known;
    const capabilities = actor === 'application' ? ['CAP_IPC_LOCK'] : [...ROOT_CAPABILITIES];
    const process =
      this.kernelOf(actor).processes.find(name) ??
      this.kernelOf(actor).processes.create(name, { capabilities });
    this.#processes.set(name, process);
    return process;
  }

  /** The first process of the machine's configuration. */
  #applicationName(): string {
    return this.#plan.machine.processes?.[0]?.name ?? 'app';
  }
}
