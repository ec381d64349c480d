/**
 * The invalidation queue of a virtual unit: descriptors are read from guest memory and carried out one by one. The status of
 * a wait descriptor is written when the host has done everything before it. VT-d 5.10 section 6.5.2.
 */
import {
  NARROW_DESCRIPTOR_BYTES,
  WIDE_DESCRIPTOR_BYTES,
  descriptorType,
  isDescriptorValid,
  queueDescriptor,
} from '../../spec/vtd/descriptors.ts';
import { InvalidationWait } from '../../spec/vtd/descriptors/wait-descriptor.ts';
import { IQEI } from '../../spec/vtd/invalidation-queue-error.ts';
import { VIOMMU_DESCRIPTOR } from '../../spec/events/vmm.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import {
  ICS_REG,
  IQA_REG,
  IQERCD_REG,
  IQH_REG,
  IQT_REG,
} from '../../spec/vtd/registers/invalidation-queue.ts';
import type { Core } from '../../linux/core/core.ts';
import type { RegisterFile } from '../../sim/index.ts';
import type { GuestMemory } from './guest-memory.ts';
import { scopeOf, type CommandScope } from './trapped-command.ts';

const PAGE_BYTES = 4096;
const IQE = 2 ** FSTS_REG.field('IQE').low;

/** A command that a handler carries out. */
export interface TrappedCommand {
  readonly scope: CommandScope;
  readonly words: Uint32Array;
}

export interface VirtualQueueParts {
  readonly core: Core;
  readonly vm: string;
  readonly registers: RegisterFile;
  readonly capability: IommuCapability;
  readonly memory: GuestMemory;
  /** RTADDR_REG.TTM as latched. */
  translationMode(): number;
  /** Carries out a descriptor that is no wait. */
  execute(type: number, words: Uint32Array): void;
  /** A wait descriptor with IF=1 is complete. */
  onWaitCompleted(): void;
  /** Sets IQE and tells the guest. */
  onError(): void;
}

export class VirtualQueue {
  readonly #parts: VirtualQueueParts;
  /** Takes what the guest queued for one write of the tail, in its order; null leaves it to the VMM. */
  handler: ((commands: readonly TrappedCommand[]) => void) | null = null;
  /** What the handler gets at the end of this run. */
  #taken: TrappedCommand[] = [];

  constructor(parts: VirtualQueueParts) {
    this.#parts = parts;
  }

  /** QIE was set or cleared. */
  reset(): void {
    this.#parts.registers.poke64(IQH_REG.offset, 0n);
  }

  /** The tail moved, or an error was cleared. */
  run(): void {
    const taken: TrappedCommand[] = [];
    this.#taken = taken;
    this.#readAll();
    if (taken.length > 0) {
      this.handler?.(taken);
    }
  }

  /** Writes the status and raises the interrupt that a wait descriptor asks for. */
  completeWait(words: Uint32Array): void {
    const { registers, memory, onWaitCompleted } = this.#parts;
    const wait = InvalidationWait.decode(words);
    if (wait.SW === 1) {
      memory.writeWords(Number(wait.STATUS_ADDR), [wait.STATUS_DATA]);
    }
    if (wait.IF === 1) {
      registers.set(ICS_REG.name, 'IWC', 1);
      onWaitCompleted();
    }
  }

  #readAll(): void {
    const { registers } = this.#parts;
    const { isWide, bytes, base } = this.#place;
    const step = isWide ? WIDE_DESCRIPTOR_BYTES : NARROW_DESCRIPTOR_BYTES;
    const tail = registers.peek32(IQT_REG.offset);
    if (tail >= bytes || tail % step !== 0) {
      this.#fail(tail >= bytes ? IQEI.tailOutsideQueue : IQEI.tailNotAligned);
      return;
    }
    for (let head = registers.peek32(IQH_REG.offset); head !== tail; head = (head + step) % bytes) {
      registers.poke32(IQH_REG.offset, head);
      if ((registers.peek32(FSTS_REG.offset) & IQE) !== 0 || !this.#step(base + head, step / 4)) {
        return;
      }
    }
    registers.poke32(IQH_REG.offset, tail);
  }

  /** False when the queue stops. */
  #step(at: number, words: number): boolean {
    const { core, vm, memory, capability, execute } = this.#parts;
    const descriptor = memory.readWords(at, words);
    if (descriptor === undefined) {
      return this.#fail(IQEI.fetchError);
    }
    const type = descriptorType(descriptor);
    const known = queueDescriptor(type);
    const mode = {
      ttm: this.#parts.translationMode(),
      isWide: this.#place.isWide,
      context: capability.context,
    };
    if (known === undefined || !isDescriptorValid(known, mode)) {
      return this.#fail(IQEI.invalidType);
    }
    const seq = core.hw.emit(VIOMMU_DESCRIPTOR, vm, type, known.title);
    const scope = this.handler === null ? null : scopeOf(type, descriptor);
    core.hw.within(seq, () => {
      if (scope !== null) {
        this.#taken.push({ scope, words: descriptor });
      } else if (type === InvalidationWait.type) {
        this.completeWait(descriptor);
      } else {
        execute(type, descriptor);
      }
    });
    return true;
  }

  #fail(code: number): false {
    const { registers, onError } = this.#parts;
    registers.set(IQERCD_REG.name, 'IQEI', code);
    onError();
    return false;
  }

  get #place(): { readonly base: number; readonly bytes: number; readonly isWide: boolean } {
    const { IQA, QS, DW } = IQA_REG.decode(
      this.#parts.registers.wordsOf(this.#parts.registers.register(IQA_REG.name)),
    );
    return { base: Number(IQA), bytes: 2 ** QS * PAGE_BYTES, isWide: DW === 1 };
  }
}
