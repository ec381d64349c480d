/**
 * Programs that hand plain pointers to the accelerator and leave work in it. What they copy names them, so that a byte in a
 * wrong place shows whose it was.
 */
import type { Kernel } from '../../src-main/linux/kernel.ts';
import { MAP, PROT } from '../../src-main/linux/mm/mm.ts';
import type { Process } from '../../src-main/linux/mm/process.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { moveWords } from './linux-idxd.ts';

const PAGE = 4096;
const RW = PROT.READ | PROT.WRITE;
/** Pages of source and of destination. */
const PAGES = 2;
const RECORD_BYTES = 64;
/** Work is done, faults and all, after this; more of it for a program with a lot to do. */
const STEP_NS = 100_000;
const STEPS = 40;

interface Work {
  readonly memory: number;
  readonly record: number;
  /** Its memory was taken from it while it ran. */
  isLost: boolean;
}

export class WorkingProcess {
  readonly process: Process;
  /** Byte that all its data consists of. */
  readonly tag: number;
  readonly #kernel: Kernel;
  readonly #records: number;
  readonly #queue: string;
  #fd = -1;
  #portal = -1;
  #works: Work[] = [];
  #submitted = 0;

  constructor(kernel: Kernel, name: string, queue: string, tag: number) {
    this.#kernel = kernel;
    this.#queue = queue;
    this.tag = tag;
    this.process = kernel.processes.create(name, { capabilities: ['CAP_SYS_RAWIO'] });
    this.#records = this.#map(1, MAP.POPULATE);
  }

  open(): void {
    const { calls } = this.#kernel;
    this.#fd = must(calls.open(this.process, `/dev/dsa/${this.#queue}`), 'open of the queue');
    const request = { length: PAGE, prot: PROT.WRITE, flags: MAP.SHARED, fd: this.#fd, offset: 0 };
    this.#portal = must(calls.mmap(this.process, request), 'mmap of the portal');
  }

  close(): void {
    const { calls } = this.#kernel;
    must(calls.munmap(this.process, this.#portal, PAGE), 'munmap of the portal');
    must(calls.close(this.process, this.#fd), 'close of the queue');
    this.#fd = -1;
  }

  exit(): void {
    this.#kernel.processes.exit(this.process);
  }

  /** Work on pages that nobody has touched: the result of ENQCMD. */
  start(): string {
    const memory = this.#map(2 * PAGES);
    const record = this.#records + (this.#submitted % (PAGE / RECORD_BYTES)) * RECORD_BYTES;
    this.#submitted += 1;
    // One page of the source is there; everything else the device has to ask for.
    this.process.mm.write(memory, new Uint8Array(PAGE).fill(this.tag));
    this.process.mm.write(record, new Uint8Array(RECORD_BYTES));
    const words = moveWords({
      from: memory,
      to: memory + PAGES * PAGE,
      bytes: PAGES * PAGE,
      record,
    });
    words[1] = ((words[1] ?? 0) | FLAG.blockOnFault) >>> 0;
    const result = this.#kernel.instructions.enqcmd(this.process, this.#portal, words);
    if (result === 'accepted') {
      this.#works.push({ memory, record, isLost: false });
    } else {
      this.#unmap(memory);
    }
    return result;
  }

  /** The memory of the work that came last, if it has any. */
  takeMemory(way: 'munmap' | 'madvise'): void {
    const work = this.#works.at(-1);
    if (work === undefined || work.isLost) {
      return;
    }
    work.isLost = true;
    if (way === 'munmap') {
      this.#unmap(work.memory);
    } else {
      must(this.#kernel.calls.madvise(this.process, work.memory, 2 * PAGES * PAGE), 'madvise');
    }
  }

  /** Every piece of work has its record and its result, and what is in memory is this program's. */
  settle(): string {
    for (let i = 0; i < STEPS && this.#works.some((work) => this.#statusOf(work) === 0); i++) {
      this.#kernel.core.advance(STEP_NS);
    }
    const statuses = this.#works.map((work) => this.#check(work));
    this.#works = [];
    return statuses.join(' ');
  }

  /** What the driver drained when it closed has its record at once. */
  expectDrained(): void {
    this.#works.forEach((work) => expectThat(this.#statusOf(work) !== 0, 'not drained'));
  }

  #check(work: Work): string {
    const status = this.#statusOf(work);
    expectThat(status !== 0, `${this.process.name}: no record`);
    if (work.isLost) {
      return 'lost';
    }
    expectThat(status === STATUS.success, `${this.process.name}: status ${status}`);
    const copy = this.process.mm.read(work.memory + PAGES * PAGE, PAGES * PAGE);
    const isRight =
      typeof copy !== 'number' && copy.every((byte, at) => byte === (at < PAGE ? this.tag : 0));
    expectThat(isRight, `${this.process.name}: the copy is wrong`);
    this.#unmap(work.memory);
    return String(status);
  }

  #statusOf({ record }: Work): number {
    const read = this.process.mm.read(record, 1);
    return typeof read === 'number' ? read : (read[0] ?? 0);
  }

  #map(pages: number, flags = 0): number {
    const all = MAP.ANONYMOUS | MAP.PRIVATE | flags;
    const request = { length: pages * PAGE, prot: RW, flags: all, fd: -1, offset: 0 };
    return must(this.#kernel.calls.mmap(this.process, request), 'mmap');
  }

  #unmap(memory: number): void {
    must(this.#kernel.calls.munmap(this.process, memory, 2 * PAGES * PAGE), 'munmap');
  }
}

/** Takes pages that others gave back, and finds them as it left them: nobody's work goes on in there. */
export class Heir {
  readonly #kernel: Kernel;
  readonly #process: Process;
  #inherited: number[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#process = kernel.processes.create('heir');
  }

  /** Its pages are the first free ones. */
  inherit(): void {
    const flags = MAP.ANONYMOUS | MAP.PRIVATE | MAP.POPULATE;
    const request = { length: HEIR_BYTES, prot: RW, flags, fd: -1, offset: 0 };
    const memory = must(this.#kernel.calls.mmap(this.#process, request), 'mmap of the heir');
    must(this.#process.mm.write(memory, HEIR_PATTERN), 'write of the heir');
    this.#inherited.push(memory);
  }

  check(): void {
    for (const memory of this.#inherited) {
      const kept = this.#process.mm.read(memory, HEIR_BYTES);
      const isKept = typeof kept !== 'number' && Buffer.compare(kept, HEIR_PATTERN) === 0;
      expectThat(isKept, 'breach: somebody wrote to pages of another owner');
      must(this.#kernel.calls.munmap(this.#process, memory, HEIR_BYTES), 'munmap of the heir');
    }
    this.#inherited = [];
  }
}

const HEIR_BYTES = 4 * PAGE;
const HEIR_PATTERN = new Uint8Array(HEIR_BYTES).fill(0xa5);

export function must(result: number, what: string): number {
  if (result < 0) {
    throw new Error(`${what} gave ${result}`);
  }
  return result;
}

export function expectThat(isTrue: boolean, what: string): void {
  if (!isTrue) {
    throw new Error(what);
  }
}
