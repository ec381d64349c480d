/**
 * The invalidation queue as its software side (drivers/iommu/intel/dmar.c): descriptors, one wait descriptor behind each
 * batch, polling of the status the wait descriptor writes, and recovery from queue errors and device time-outs.
 */
import {
  NARROW_DESCRIPTOR_BYTES,
  QUEUE_DESCRIPTORS,
  WIDE_DESCRIPTOR_BYTES,
  descriptorType,
  inQueueWidth,
} from '../../../spec/vtd/descriptors.ts';
import { InvalidationWait } from '../../../spec/vtd/descriptors/wait-descriptor.ts';
import { FSTS_REG } from '../../../spec/vtd/registers/fault.ts';
import {
  IQA_REG,
  IQERCD_REG,
  IQH_REG,
  IQT_REG,
} from '../../../spec/vtd/registers/invalidation-queue.ts';
import {
  INVALIDATION_FAILED,
  INVALIDATION_FINISHED,
  INVALIDATION_SUBMITTED,
} from '../../../spec/events/linux.ts';
import type { Core } from '../../core/core.ts';
import { EAGAIN, EINVAL, ETIMEDOUT } from '../../errno.ts';
import { PAGE_BYTES, type PageAllocator } from '../../mm/page-allocator.ts';
import { toBytes } from './table-write.ts';
import type { UnitRegisters } from './unit-registers.ts';

/** A command for the queue. */
export interface QueueCommand {
  readonly words: Uint32Array;
  /** Function and PASID the command names, -1 for none; for records. */
  readonly rid?: number;
  readonly pasid?: number;
}

export interface SubmitOptions {
  /** The wait descriptor also waits for page requests on their way (PD). */
  readonly drainsPageRequests?: boolean;
}

const STATUS_IN_USE = 1n;
const STATUS_DONE = 2;
const QUEUE_SIZE_WIDE = 1;
const MAX_RETRIES = 3;
/** Vendor ID where nothing answers. */
const NO_FUNCTION = 0xffff;

const titles = new Map(QUEUE_DESCRIPTORS.map((d) => [d.type, d.title.replace(' Descriptor', '')]));

export class InvalidationQueue {
  readonly base: number;
  readonly isWide: boolean;
  readonly slots: number;
  readonly #core: Core;
  readonly #unit: string;
  readonly #registers: UnitRegisters;
  /** One dword for each slot, where wait descriptors write. */
  readonly #status: number;
  readonly #slotBytes: number;
  #tail = 0;

  constructor(options: {
    readonly core: Core;
    readonly pages: PageAllocator;
    readonly registers: UnitRegisters;
    readonly unit: string;
    readonly isWide: boolean;
  }) {
    const { core, pages } = options;
    this.#core = core;
    this.#unit = options.unit;
    this.#registers = options.registers;
    this.isWide = options.isWide;
    this.#slotBytes = options.isWide ? WIDE_DESCRIPTOR_BYTES : NARROW_DESCRIPTOR_BYTES;
    const queuePages = options.isWide ? 2 ** QUEUE_SIZE_WIDE : 1;
    this.slots = (queuePages * PAGE_BYTES) / this.#slotBytes;
    this.base = pages.alloc(queuePages, {
      owner: 'invalidation queue',
      alignment: queuePages * PAGE_BYTES,
    });
    this.#status = pages.alloc(1, { owner: 'invalidation status' });
  }

  /** Tail 0, address, enable: in this order (VT-d 5.10 section 6.5.2). */
  enable(): number {
    this.#tail = 0;
    this.#registers.writeAt(IQT_REG.offset, 8, 0n);
    this.#registers.write(IQA_REG, {
      IQA: BigInt(this.base),
      DW: Number(this.isWide),
      QS: this.isWide ? QUEUE_SIZE_WIDE : 0,
    });
    return this.#registers.command('QIE', 'QIES');
  }

  disable(): number {
    return this.#registers.command('QIE', 'QIES', false);
  }

  /** qi_submit_sync: queues the commands and a wait, and returns when they are done. */
  submit(commands: readonly QueueCommand[], options: SubmitOptions = {}): number {
    for (let attempt = 0; attempt < MAX_RETRIES; attempt++) {
      const result = this.#submitOnce(commands, options);
      if (result !== -EAGAIN) {
        return result;
      }
    }
    return -ETIMEDOUT;
  }

  #submitOnce(commands: readonly QueueCommand[], options: SubmitOptions): number {
    for (const command of commands) {
      const title = titles.get(descriptorType(command.words)) ?? 'unknown descriptor';
      const seq = this.#core.emit(
        INVALIDATION_SUBMITTED,
        this.#unit,
        title,
        command.rid ?? -1,
        command.pasid ?? -1,
        this.#tail,
      );
      this.#core.hw.within(seq, () => this.#put(command.words));
    }
    const waitSlot = this.#tail;
    const status = this.#status + waitSlot * 4;
    this.#core.hw.memoryWrite(status, new Uint8Array([Number(STATUS_IN_USE), 0, 0, 0]));
    this.#put(
      InvalidationWait.encode({
        SW: 1,
        FN: 1,
        PD: Number(options.drainsPageRequests === true),
        STATUS_DATA: STATUS_DONE,
        STATUS_ADDR: BigInt(status),
      }),
    );
    this.#registers.writeAt(IQT_REG.offset, 8, BigInt(this.#tail * this.#slotBytes));
    return this.#waitForStatus(status, waitSlot);
  }

  #waitForStatus(status: number, waitSlot: number): number {
    const isDone = (): boolean => this.#core.hw.memoryRead(status, 1)[0] === STATUS_DONE;
    let result = 0;
    const isOver = (): boolean => {
      if (isDone()) {
        return true;
      }
      const fault = this.#checkFault(waitSlot);
      result = fault === 0 ? result : fault;
      return fault === -EAGAIN || fault === -ETIMEDOUT;
    };
    if (!this.#core.poll(isOver, this.#core.params.poll_timeout_ns)) {
      this.#core.emit(INVALIDATION_FAILED, this.#unit, 'no completion', waitSlot);
      return -ETIMEDOUT;
    }
    if (result === 0) {
      this.#core.emit(INVALIDATION_FINISHED, this.#unit, waitSlot);
    }
    return result;
  }

  /** qi_check_fault: replaces a bad descriptor by a harmless one, or takes note of a time-out. */
  #checkFault(waitSlot: number): number {
    const { IQE, ITE, ICE } = this.#registers.read(FSTS_REG);
    const head = this.#registers.read(IQH_REG).QH / (this.#slotBytes / 16);
    if (IQE === 1) {
      const { IQEI } = this.#registers.read(IQERCD_REG);
      this.#core.emit(
        INVALIDATION_FAILED,
        this.#unit,
        `queue error ${IQEI} (invalid descriptor)`,
        head,
      );
      const wait = this.#core.hw.memoryRead(
        this.base + waitSlot * this.#slotBytes,
        this.#slotBytes,
      );
      this.#core.hw.memoryWrite(this.base + head * this.#slotBytes, wait);
      this.#registers.write(FSTS_REG, { IQE: 1 });
      return -EINVAL;
    }
    if (ITE === 1) {
      this.#core.emit(INVALIDATION_FAILED, this.#unit, 'device-TLB invalidation timed out', head);
      this.#registers.write(FSTS_REG, { ITE: 1 });
      return this.#isGone(this.#registers.read(IQERCD_REG).ITESID) ? -ETIMEDOUT : -EAGAIN;
    }
    if (ICE === 1) {
      this.#core.emit(INVALIDATION_FAILED, this.#unit, 'unexpected device-TLB completion', head);
      this.#registers.write(FSTS_REG, { ICE: 1 });
    }
    return 0;
  }

  /** pci_device_is_present: asking again is useless when the function was removed. 0: the unit does not tell which. */
  #isGone(rid: number): boolean {
    return rid !== 0 && this.#core.hw.configRead(rid, 0, 2) === NO_FUNCTION;
  }

  #put(words: Uint32Array): void {
    const bytes = toBytes(inQueueWidth(words, this.#slotBytes));
    this.#core.hw.memoryWrite(this.base + this.#tail * this.#slotBytes, bytes);
    this.#tail = (this.#tail + 1) % this.slots;
  }
}
