/**
 * The page request queue of a virtual unit, in guest memory. A queue that is full stays a matter of its guest: PRO is set
 * there, and the VMM answers in the guest's place. VT-d 5.10 section 7.4.1; vSVA series for Linux and QEMU, 2020.
 */
import { PageRequestDescriptor } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import { PQA_REG, PQH_REG, PQT_REG, PRS_REG } from '../../spec/vtd/registers/page-request.ts';
import type { RegisterFile } from '../../sim/index.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { GuestFault } from './nesting-backend.ts';

const PAGE_BYTES = 4096;
const ENTRY_BYTES = PageRequestDescriptor.bytes;
const PPR = 2 ** PRS_REG.field('PPR').low;
const PRO = 2 ** PRS_REG.field('PRO').low;

export interface VirtualPageRequest extends GuestFault {
  readonly rid: number;
  readonly pasid: number;
}

export class VirtualPageRequests {
  readonly #registers: RegisterFile;
  readonly #memory: GuestMemory;
  readonly #raise: () => void;

  constructor(registers: RegisterFile, memory: GuestMemory, raise: () => void) {
    this.#registers = registers;
    this.#memory = memory;
    this.#raise = raise;
  }

  /** Queues a whole group. False when it does not fit: the guest is told of the overflow. */
  push(group: readonly VirtualPageRequest[]): boolean {
    const status = this.#registers.peek32(PRS_REG.offset);
    if ((status & PRO) !== 0) {
      return false;
    }
    if (this.#free < group.length || !group.every((request) => this.#store(request))) {
      this.#setStatus(PRO);
      return false;
    }
    this.#setStatus(PPR);
    return true;
  }

  get #bytes(): number {
    return 2 ** this.#registers.get(PQA_REG.name, 'PQS') * PAGE_BYTES;
  }

  /** One entry stays empty, so that full and empty differ. */
  get #free(): number {
    const head = this.#registers.peek32(PQH_REG.offset);
    const tail = this.#registers.peek32(PQT_REG.offset);
    const used = (tail - head + this.#bytes) % this.#bytes;
    return (this.#bytes - used) / ENTRY_BYTES - 1;
  }

  #store(request: VirtualPageRequest): boolean {
    const words = PageRequestDescriptor.encode({
      TYPE: 1,
      PP: Number(request.pasid !== 0),
      RID: request.rid,
      PASID: request.pasid,
      RDR: Number(request.isRead),
      WRR: Number(request.isWrite),
      LPIG: Number(request.isLast),
      PRGI: request.group,
      ADDR: BigInt(request.address),
    });
    const tail = this.#registers.peek32(PQT_REG.offset);
    const base = Number(this.#registers.getBig(this.#registers.register(PQA_REG.name), 'PQA'));
    if (!this.#memory.writeWords(base + tail, words)) {
      return false;
    }
    this.#registers.poke32(PQT_REG.offset, (tail + ENTRY_BYTES) % this.#bytes);
    return true;
  }

  /** An event goes out on the first condition only: software clears it before it looks. */
  #setStatus(bit: number): void {
    const status = this.#registers.peek32(PRS_REG.offset);
    this.#registers.poke32(PRS_REG.offset, (status | bit) >>> 0);
    if ((status & (PPR | PRO)) === 0) {
      this.#raise();
    }
  }
}
