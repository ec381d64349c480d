/**
 * The isolation oracle as a guest's kernel has it. What the kernel says of its memory goes on in the name of the VM, in
 * guest-physical addresses; whom it names as the one who submits is remembered for the store that reaches the device. Vectors
 * of virtual CPUs are the guest's own affair.
 */
import type { Actor, IsolationCall, IsolationPort } from '../sim/index.ts';

export class GuestIsolation implements IsolationPort {
  readonly #host: IsolationPort;
  /** Principal of the VM. */
  #vm: string;
  readonly #name: string;
  #process: string | undefined;

  constructor(host: IsolationPort, vm: string, name: string) {
    this.#host = host;
    this.#vm = vm;
    this.#name = name;
  }

  /** Who executes instructions in the guest now, as the host names it. */
  get actor(): Actor {
    return { principal: this.#vm, process: this.#process };
  }

  /** The kernel that speaks here and that of the other one change their VMs, and keep their names. */
  exchange(other: GuestIsolation): void {
    [this.#vm, other.#vm] = [other.#vm, this.#vm];
  }

  tell(call: IsolationCall): void {
    switch (call.op) {
      case 'act':
        this.#process = call.actor?.principal;
        return;
      case 'own':
      case 'disown':
      case 'assign':
      case 'lend':
      case 'take-back':
        this.#host.tell({ op: 'in-guest', vm: this.#vm, name: this.#name, call });
        return;
      default:
    }
  }
}
