/**
 * Any traffic for the accelerator in its SR-IOV form: functions come and go under load, each with registers, portals and
 * resets. Nothing throws, a virtual function never outlives its physical one, state can always be saved and put back.
 */
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { Trace } from '../../src-main/sim/core/trace.ts';
import { createDsaDevice } from '../../src-main/sim/devices/dsa/dsa-device.ts';
import { SriovDsa } from '../../src-main/sim/devices/dsa/sriov-dsa.ts';
import { GroupConfig } from '../../src-main/spec/dsa/group-config.ts';
import { WqConfig } from '../../src-main/spec/dsa/wq-config.ts';
import type { PcieFunction } from '../../src-main/sim/pcie/ports.ts';
import {
  checkRestoreIdentity,
  checkTraceShape,
  fuzzTimeoutMs,
  FuzzValues,
  runFuzz,
  type FuzzTarget,
} from '../support/device-fuzz.ts';
import { Workload } from '../support/dsa-workload.ts';
import { FakeUpstreamPort } from '../support/fake-upstream-port.ts';
import { FakeFunctionHost } from '../support/nic-driver.ts';

const VFS = 4;
const SRIOV = 0x280;
const CONTROL = SRIOV + 0x08;
const NUM_VFS = SRIOV + 0x10;
const PAGE_SIZE = SRIOV + 0x20;
const BARS = SRIOV + 0x24;
const ENABLE_DEVICE = 1;
const ENABLE_WQ = 6;
const REGISTERS = [0x80, 0x88, 0xa0, 0xc0, 0x98, 0x600, 0x640, 0x800, 0x808, 0x80c];

class SriovFuzz implements FuzzTarget {
  readonly #random: FuzzValues;
  readonly #workload: Workload;
  readonly #trace = new Trace({ mode: 'store', capacity: 20_000 });
  readonly #queue = new EventQueue(this.#trace);
  readonly #port = new FakeUpstreamPort(0x8_0000);
  readonly #host = new FakeFunctionHost(this.#port.memory);
  readonly #pf: SriovDsa;
  #completed = 0;

  constructor(seed: number) {
    this.#random = new FuzzValues(seed);
    this.#workload = new Workload(seed);
    const device = createDsaDevice({
      name: 'dsa0',
      config: { sriov: { totalVfs: VFS }, atcEntries: 16 },
      port: this.#port,
      queue: this.#queue,
      trace: this.#trace,
      functions: this.#host,
    });
    if (!(device instanceof SriovDsa)) {
      throw new Error('Expected the SR-IOV form');
    }
    this.#pf = device;
  }

  step(): void {
    const r = this.#random;
    const choice = r.below(100);
    if (choice < 3) {
      this.#appear();
    } else if (choice < 12) {
      this.#setUp(this.#function());
    } else if (choice < 45) {
      this.#submit(this.#function());
    } else if (choice < 65) {
      this.#register(this.#function());
    } else if (choice < 78) {
      this.#config(this.#function());
    } else if (choice < 97) {
      this.#run(r.below(3_000));
    } else {
      this.#reset(this.#function());
    }
  }

  check(): void {
    const present = this.#pf.virtualFunctions;
    expect([...this.#host.functions.values()]).toEqual([...present]);
    const isEnabled = (this.#pf.configRead(CONTROL, 2) & 1) === 1;
    expect(present.length).toBeLessThanOrEqual(isEnabled ? this.#pf.configRead(NUM_VFS, 2) : 0);
  }

  finish(): number {
    checkTraceShape(this.#trace);
    checkRestoreIdentity(this.#pf);
    this.#count();
    return this.#completed;
  }

  #count(): void {
    for (const vf of this.#pf.virtualFunctions) {
      this.#completed += vf.inspect.completed().length;
    }
  }

  #function(): PcieFunction {
    return this.#random.pick([...this.#pf.virtualFunctions, this.#pf]);
  }

  #appear(): void {
    const r = this.#random;
    this.#count();
    this.#pf.configWrite(CONTROL, 2, 0);
    this.#pf.configWrite(PAGE_SIZE, 4, r.pick([1, 0x10, r.word()]));
    this.#pf.configWrite(NUM_VFS, 2, r.below(VFS + 2));
    this.#pf.configWrite(BARS, 4, 0x4000_0000);
    this.#pf.configWrite(BARS + 8, 4, 0x5000_0000);
    this.#pf.configWrite(CONTROL, 2, r.pick([9, 9, 9, r.below(16)]));
  }

  /** As a driver does, without looking whether it works. */
  #setUp(device: PcieFunction): void {
    const write = (at: number, words: Uint32Array): void => {
      words.forEach((word, i) => {
        device.mmioWrite(0, at + 4 * i, 4, BigInt(word));
      });
    };
    device.configWrite(0x04, 2, 6);
    write(0x600, GroupConfig.encode({ wqs: 1n, engines: 1n, readBuffersAllowed: 24 }));
    const wq = { size: 16, mode: 1, priority: 1, maxTransferShift: 20, maxBatchShift: 5 };
    write(0x800, WqConfig.encode(wq).subarray(0, 8));
    for (const command of [ENABLE_DEVICE, ENABLE_WQ]) {
      device.mmioWrite(0, 0xa0, 4, BigInt(command << 20));
      this.#run(2_000);
    }
  }

  #submit(device: PcieFunction): void {
    const r = this.#random;
    const words = r.isOneIn(3) ? r.words(16) : this.#workload.descriptor();
    device.blockWrite(2, r.below(4) * 0x1000, words, r.isOneIn(6) ? 'deferrable' : 'posted');
  }

  #register(device: PcieFunction): void {
    const r = this.#random;
    const bytes = r.pick([4, 4, 8] as const);
    const offset = r.isOneIn(3) ? r.below(0x1_0000) & ~7 : r.pick(REGISTERS) & ~(bytes - 1);
    device.mmioRead(0, offset, bytes);
    if (r.isOneIn(3)) {
      device.mmioWrite(0, offset, bytes, r.value(bytes));
    }
  }

  #config(device: PcieFunction): void {
    const r = this.#random;
    const bytes = r.pick([1, 2, 4] as const);
    const offset = r.isOneIn(2)
      ? SRIOV + r.below(0x40)
      : r.pick([0x04, 0x48, 0x82, 0x226, r.below(0x1008)]);
    const value = device.configRead(offset, bytes);
    expect(value).toBeLessThanOrEqual(2 ** (8 * bytes) - 1);
    if (r.isOneIn(4)) {
      this.#count();
      device.configWrite(offset, bytes, r.word());
    }
  }

  #reset(device: PcieFunction): void {
    this.#count();
    device.reset(this.#random.pick(['function-level', 'power-on']));
  }

  #run(durationNs: number): void {
    const end = this.#queue.nowNs + durationNs;
    while (this.#queue.runNext(end));
    this.#queue.advanceTo(end);
  }
}

describe('accelerator with virtual functions under any traffic', () => {
  it(
    'does not throw, and no virtual function outlives its physical one',
    () => {
      const completed = runFuzz('sriov', 10, (seed) => new SriovFuzz(seed));
      const sum = completed.reduce((total, count) => total + count, 0);
      expect(sum).toBeGreaterThan(completed.length * 100);
    },
    fuzzTimeoutMs(),
  );
});
