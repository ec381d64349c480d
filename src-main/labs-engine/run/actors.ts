/** Who answers the calls of a script: the kernel and the process that its actor stands for. */
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { rootOf } from '../../script/sdk/script-context.ts';
import { ScriptError } from '../../script/sdk/sdk-module.ts';
import type { VirtualMachines } from '../../vmm/virtual-machines.ts';
import type { RunPlan } from './run-plan.ts';

/** What an application may do that an ordinary user may not. */
const APPLICATION_CAPABILITIES: readonly string[] = ['CAP_IPC_LOCK'];

export class Actors {
  readonly #vms: VirtualMachines;
  readonly #plan: RunPlan;

  constructor(vms: VirtualMachines, plan: RunPlan) {
    this.#vms = vms;
    this.#plan = plan;
  }

  kernelOf(actor: string): Kernel {
    return actor === 'guest-driver' ? this.#guest() : this.#vms.kernel;
  }

  /** Made when it is first asked for: a run without user-side calls has no processes of its own. */
  processOf(actor: string): Process {
    const { kernel } = this.#vms;
    if (actor !== 'application') return rootOf(this.kernelOf(actor));
    const name = this.#plan.machine.processes?.[0]?.name ?? 'app';
    return (
      kernel.processes.find(name) ??
      kernel.processes.create(name, { capabilities: APPLICATION_CAPABILITIES })
    );
  }

  /** A file of the guest belongs to the machine's first VM. */
  #guest(): Kernel {
    const name = this.#vms.configured[0]?.name;
    if (name === undefined) {
      throw new ScriptError('The machine has no VM that this driver could run in');
    }
    const guest = this.#vms.find(name)?.guest ?? null;
    if (guest === null) {
      throw new ScriptError(`No kernel runs in ${name}. A script of the host boots it: lab/vm`);
    }
    return guest;
  }
}
