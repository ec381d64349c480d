/**
 * Random but reproducible work for an accelerator: descriptors of all kinds with good and bad fields, batches, faults,
 * answers to page requests, commands, invalidations. Every step is plain data, so that two devices can get the same.
 */
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import { ANY_CONTEXT } from '../../src-main/bits/layout.ts';
import { OPCODE, descriptorStructure } from '../../src-main/spec/dsa/operations.ts';
import { SeededRandom } from '../../src-main/sim/core/random.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
  type DriverOptions,
} from './dsa-driver.ts';

const BUFFERS = 0x4_0000;
const BUFFER_BYTES = 0x2_0000;
const LISTS = 0x2_0000;
const RECORDS = 0x1_0000;
const PAGE = 0x1000;
/** Queues that `workloadDriver` sets up. */
const QUEUES = 3;

export interface WorkloadOptions {
  readonly seed: number;
  readonly profile?: 'v1' | 'v2' | 'v3';
  readonly trace?: DriverOptions['trace'];
}

/** A driver with the queues that the workload uses. */
export function workloadDriver({
  profile = 'v2',
  trace = { mode: 'off' },
}: WorkloadOptions): DsaDriver {
  const driver = new DsaDriver({
    config: { profile, atcEntries: 16, interruptHandles: 0 },
    trace,
    memoryBytes: 0x8_0000,
  });
  driver.setUpFunction({ pageRequests: 4 });
  const queues = [
    { ...DEDICATED, blockOnFault: 1, size: 12 },
    { ...SHARED, blockOnFault: 1, size: 24, threshold: 20 },
    { ...DEDICATED, blockOnFault: 1, pasid: 3, priority: 3, size: 12 },
  ];
  if (profile === 'v1') {
    driver.setUpQueues(queues);
    return driver;
  }
  driver.write(0x80, driver.read(0x80) | (1 << 13) | (1 << 12));
  driver.write(0xe0, 0x7_0000);
  driver.write(0xe8, 64);
  driver.setUpQueues(queues, { workLimit: 3, batchLimit: 3 });
  driver.write(0x200c, 0);
  driver.write(0x88, 7);
  for (let i = 0; i < 8; i++) {
    driver.write(driver.table(3) + i * 16 + 12, ((1 + (i % 4)) << 12) | 8);
  }
  return driver;
}

/** Applies random steps to a driver. The sequence depends on the seed only. */
export class Workload {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  snapshot(): Uint32Array {
    return this.#random.snapshot();
  }

  restore(state: Uint32Array): void {
    this.#random.restore(state);
  }

  step(driver: DsaDriver): void {
    const choice = this.#random.below(100);
    if (choice < 45) {
      this.#submit(driver);
    } else if (choice < 75) {
      this.#advance(driver);
    } else if (choice < 82) {
      this.#answerPage(driver);
    } else if (choice < 89) {
      this.#togglePage(driver);
    } else if (choice < 93) {
      this.#invalidate(driver);
    } else if (choice < 97) {
      this.#command(driver);
    } else if (choice < 99) {
      this.#advanceLog(driver);
    } else {
      this.#pauseOrResume(driver);
    }
  }

  /** Answers every page request and lets everything end. */
  finish(driver: DsaDriver): void {
    for (let wq = 0; wq < QUEUES; wq++) {
      driver.device.migration.resume(wq);
    }
    for (let round = 0; round < 200; round++) {
      driver.run(10_000_000);
      const open = driver.device.inspect.pageRequests();
      if (open.length === 0) {
        this.#emptyLog(driver);
        driver.run(10_000_000);
        if (driver.device.inspect.running().length === 0) {
          return;
        }
      }
      for (const { pasid, group } of open) {
        driver.device.pageResponse(pasid, group, 1);
      }
    }
  }

  /** Random descriptor words, mostly well-formed. */
  descriptor(): Uint32Array {
    const r = this.#random;
    const operations = [
      0x00, 0x02, 0x03, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x10, 0x11, 0x12, 0x13,
      0x14, 0x15, 0x17, 0x20, 0x23,
    ];
    const opcode = operations[r.below(operations.length)] as number;
    const words = descriptor(opcode, {}, 0);
    words[0] = 1 + r.below(4);
    words[2] = RECORDS + r.below(64) * 32;
    words[4] = this.#address();
    words[6] = this.#address();
    words[8] = opcode === OPCODE.noop || opcode === OPCODE.drain ? 0 : this.#size(opcode);
    if (opcode === OPCODE.createDelta || opcode === OPCODE.dualcast) {
      words[10] = this.#address();
      words[12] = 800;
    }
    if (opcode === OPCODE.applyDelta) {
      words[10] = 10 * (1 + r.below(20));
    }
    if (opcode === OPCODE.drain) {
      words.fill(0, 4, 8);
    }
    const reserved = descriptorStructure(opcode).reservedMask(ANY_CONTEXT);
    for (let i = 4; i < 16; i++) {
      words[i] = (words[i] as number) & ~(reserved[i] as number);
    }
    words[1] = ((words[1] as number) | RECORD | this.#flags(opcode)) >>> 0;
    if (r.below(20) === 0) {
      words[r.below(16)] = r.next32();
    }
    return words;
  }

  #flags(opcode: number): number {
    const r = this.#random;
    const mayBlock = opcode !== OPCODE.noop && opcode !== OPCODE.drain;
    let flags = mayBlock && r.below(2) === 0 ? FLAG.blockOnFault : 0;
    if (opcode === OPCODE.interDomainCopy) {
      flags |= 0x1_0000;
    }
    if (r.below(10) === 0) {
      flags |= FLAG.requestInterrupt;
    }
    return r.below(30) === 0 ? flags | r.below(0x100_0000) : flags;
  }

  #size(opcode: number): number {
    const r = this.#random;
    if (opcode >= OPCODE.difCheck && opcode <= OPCODE.dixGenerate) {
      const isProtected = opcode !== OPCODE.difInsert && opcode !== OPCODE.dixGenerate;
      return (isProtected ? 520 : 512) * (1 + r.below(12));
    }
    const size = 1 + r.below(r.below(4) === 0 ? 30_000 : 300);
    return opcode === OPCODE.createDelta || opcode === OPCODE.applyDelta ? (size & ~7) + 8 : size;
  }

  #address(): number {
    const r = this.#random;
    const address = BUFFERS + r.below(BUFFER_BYTES);
    return r.below(3) === 0 ? address : address & ~7;
  }

  #submit(driver: DsaDriver): void {
    const r = this.#random;
    const wq = r.below(3);
    const page = r.below(4);
    if (r.below(6) === 0) {
      driver.submit(wq, this.#batch(driver), page);
    } else {
      driver.submit(wq, this.descriptor(), page);
    }
  }

  #batch(driver: DsaDriver): Uint32Array {
    const r = this.#random;
    const count = 2 + r.below(20);
    const list = LISTS + r.below(0x200) * 64;
    for (let i = 0; i < count; i++) {
      const member = this.descriptor();
      if (r.below(6) === 0) {
        member[1] = (member[1] as number) | FLAG.fence;
      }
      driver.fill(list + i * 64, new Uint8Array(member.buffer));
    }
    return descriptor(
      OPCODE.batch,
      {
        pasid: 1 + r.below(4),
        list: BigInt(list),
        count,
        recordAddress: BigInt(RECORDS + r.below(64) * 32),
      },
      RECORD,
    );
  }

  #advance(driver: DsaDriver): void {
    driver.run(1 + this.#random.below(this.#random.below(3) === 0 ? 20_000 : 500));
  }

  #answerPage(driver: DsaDriver): void {
    const r = this.#random;
    const open = driver.device.inspect.pageRequests();
    const request = open[r.below(Math.max(1, open.length))];
    const isGood = r.below(4) !== 0;
    if (request !== undefined) {
      if (isGood) {
        driver.port.map(request.pasid, request.low);
      }
      driver.device.pageResponse(request.pasid, request.group, isGood ? 0 : 1);
    }
  }

  #togglePage(driver: DsaDriver): void {
    const r = this.#random;
    const region = r.below(8) === 0 ? RECORDS : BUFFERS;
    const address = region + r.below(8) * PAGE;
    const pasid = 1 + r.below(4);
    if (r.below(2) === 0) {
      driver.port.unmap(pasid, address);
      driver.device.atsInvalidate({
        itag: r.below(32),
        pasid,
        isGlobal: false,
        high: 0,
        low: address,
        sizeShift: 12,
      });
    } else {
      driver.port.map(pasid, address);
    }
  }

  #invalidate(driver: DsaDriver): void {
    const r = this.#random;
    const sizeShift = r.below(2) === 0 ? 64 : 12;
    driver.device.atsInvalidate({
      itag: r.below(32),
      pasid: 1 + r.below(4),
      isGlobal: r.below(5) === 0,
      high: 0,
      low: BUFFERS,
      sizeShift,
    });
  }

  #command(driver: DsaDriver): void {
    const r = this.#random;
    const interrupt = r.below(2) === 0 ? 0x8000_0000 : 0;
    switch (r.below(6)) {
      case 0:
        driver.startCommand(3, 0, interrupt);
        break;
      case 1:
        driver.startCommand(8, 1 << r.below(3), interrupt);
        break;
      case 2:
        driver.startCommand(11, 1 + r.below(4), interrupt);
        break;
      case 3:
        driver.startCommand(12, 1 + r.below(4), interrupt);
        break;
      case 4:
        driver.startCommand(9, 1 << r.below(3), interrupt);
        break;
      default:
        driver.startCommand(4, 0, interrupt);
    }
  }

  /** A migration that is called off, sooner or later. */
  #pauseOrResume(driver: DsaDriver): void {
    const wq = this.#random.below(QUEUES);
    if (this.#random.below(2) === 0) {
      driver.device.migration.pause(wq);
      driver.device.migration.withdraw(wq);
    } else {
      driver.device.migration.resume(wq);
    }
  }

  #advanceLog(driver: DsaDriver): void {
    if (this.#random.below(2) === 0) {
      this.#emptyLog(driver);
    }
  }

  #emptyLog(driver: DsaDriver): void {
    const tail = driver.read(0xf4) & 0xffff;
    driver.write(0xf0, BigInt(tail) | (1n << 62n), 8);
  }
}
