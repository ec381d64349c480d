/**
 * The submission instructions as a thread executes them: MOVDIR64B and ENQCMD to a portal page in its address space,
 * ENQCMDS by the kernel. The kernel comes in only when the CPU faults: a page that is not mapped, or ENQCMD with an
 * invalid IA32_PASID, which is fixed up once for each thread (try_fixup_enqcmd_gp in arch/x86/kernel/traps.c).
 */
import { INSTRUCTION_EXECUTED } from '../../spec/events/linux.ts';
import { onBehalfOf, type EnqcmdResult } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import type { Process, Processes } from './process.ts';

const IA32_PASID = 0xd93;
const PASID_VALID = 1n << 31n;

/** What the thread sees. `sigsegv`: it got a signal and is gone. */
export type SubmitResult = 'accepted' | 'retry' | 'posted' | 'sigsegv';

export class Instructions {
  readonly #core: Core;
  readonly #processes: Processes;
  /** Thread whose state each CPU holds. */
  readonly #running = new Map<number, Process>();

  constructor(core: Core, processes: Processes) {
    this.#core = core;
    this.#processes = processes;
  }

  /** Context switch: XRSTORS loads the thread's IA32_PASID. */
  switchTo(process: Process): void {
    if (this.#running.get(process.cpu) === process) {
      return;
    }
    const former = this.#running.get(process.cpu);
    this.#running.set(process.cpu, process);
    if ((former?.pasidState ?? 0n) !== process.pasidState) {
      this.#core.hw.writeMsr(process.cpu, IA32_PASID, process.pasidState);
    }
  }

  /** 64-byte posted store: nothing tells whether anybody took it. */
  movdir64b(process: Process, address: number, words: Uint32Array): SubmitResult {
    const portal = this.#portal(process, address);
    if (portal < 0) {
      return this.#segfault(process, 'MOVDIR64B', address);
    }
    this.switchTo(process);
    process.counters.posted += 1;
    this.#execute(process, 'MOVDIR64B', portal, 'posted', () => {
      onBehalfOf(this.#core.hw.isolation, process.mm.name, () => {
        this.#core.hw.movdir64b(process.cpu, portal, words);
      });
    });
    return 'posted';
  }

  enqcmd(process: Process, address: number, words: Uint32Array): SubmitResult {
    const portal = this.#portal(process, address);
    if (portal < 0) {
      return this.#segfault(process, 'ENQCMD', address);
    }
    this.switchTo(process);
    let result = this.#enqcmdOnce(process, portal, words);
    if (result === 'fault' && this.#fixupFault(process)) {
      result = this.#enqcmdOnce(process, portal, words);
    }
    if (result === 'fault') {
      return this.#segfault(process, 'ENQCMD', address);
    }
    process.counters[result === 'accepted' ? 'accepted' : 'retried'] += 1;
    this.#processes.publish(process);
    return result;
  }

  #enqcmdOnce(process: Process, portal: number, words: Uint32Array): EnqcmdResult {
    const result = onBehalfOf(this.#core.hw.isolation, process.mm.name, () =>
      this.#core.hw.enqcmd(process.cpu, portal, words),
    );
    const text = { accepted: 'ZF=0, accepted', retry: 'ZF=1, retry', fault: '#GP' }[result];
    this.#core.emit(INSTRUCTION_EXECUTED, process.name, 'ENQCMD', BigInt(portal), text);
    return result;
  }

  /** The address space has a PASID and this thread has not got it yet: load it and let the instruction run again. */
  #fixupFault(process: Process): boolean {
    const { pasid } = process.mm;
    if (pasid === null || process.pasidState !== 0n) {
      return false;
    }
    process.pasidState = PASID_VALID | BigInt(pasid);
    this.#core.hw.writeMsr(process.cpu, IA32_PASID, process.pasidState);
    this.#processes.publish(process);
    return true;
  }

  #portal(process: Process, address: number): number {
    const aligned = address - (address % 64);
    return process.isAlive && aligned === address ? process.mm.translate(address, true) : -1;
  }

  #segfault(process: Process, instruction: string, address: number): SubmitResult {
    process.counters.faulted += 1;
    this.#core.emit(INSTRUCTION_EXECUTED, process.name, instruction, BigInt(address), 'SIGSEGV');
    this.#processes.kill(process, 'SIGSEGV');
    return 'sigsegv';
  }

  #execute(
    process: Process,
    instruction: string,
    portal: number,
    result: string,
    body: () => void,
  ): void {
    const seq = this.#core.emit(
      INSTRUCTION_EXECUTED,
      process.name,
      instruction,
      BigInt(portal),
      result,
    );
    this.#core.hw.within(seq, body);
    this.#processes.publish(process);
  }
}
