/**
 * Any traffic for a whole machine with every device class behind its remapping unit: configuration space, BARs wherever they
 * were put, portal instructions, memory with tables and rings in it. Nothing throws, and the state of the machine can be
 * taken over by another one.
 */
import { describe, expect, it } from 'vitest';
import { Machine, MachineHardware, type MachineConfig } from '../../src-main/sim/index.ts';
import { StateHash } from '../../src-main/sim/core/hash.ts';
import { PLATFORM } from '../../src-main/sim/hardware-port.ts';
import { nodeCrypto } from '../../src-main/hosts/crypto/node-crypto.ts';
import { GroupConfig } from '../../src-main/spec/dsa/group-config.ts';
import { WqConfig } from '../../src-main/spec/dsa/wq-config.ts';
import {
  checkTraceShape,
  fuzzTimeoutMs,
  FuzzValues,
  runFuzz,
  type FuzzTarget,
} from '../support/device-fuzz.ts';
import { Workload } from '../support/dsa-workload.ts';

const DSA = 0x6a08;
const RIDS = [DSA, 0x3b00, 0x6b00, 0x0100] as const;
const MEMORY_BYTES = 16 * 2 ** 20;
const IA32_PASID = 0xd93;
const DSA_REGISTERS = 0x2000_0000_0000;
const DSA_PORTALS = 0x2000_4000_0000;
const CONFIG_OFFSETS = [
  0x04, 0x10, 0x14, 0x18, 0x1c, 0x48, 0x82, 0x168, 0x170, 0x226, 0x236, 0x244,
];

const CONFIG: MachineConfig = {
  name: 'fuzz',
  seed: 1,
  kernelProfile: 'iommufd',
  memory: { bytes: MEMORY_BYTES },
  cpus: 2,
  iommu: { profile: 'lab' },
  devices: [
    { kind: 'dsa', name: 'dsa0', bdf: '6a:01.0', options: { profile: 'v2' } },
    {
      kind: 'nic',
      name: 'nic0',
      bdf: '3b:00.0',
      options: { queuePairs: 8, wire: 'reflect', sriov: { totalVfs: 4 } },
    },
    { kind: 'qat', name: 'qat0', bdf: '6b:00.0', options: { ringPairs: 4, maxTransfer: 4096 } },
    {
      kind: 'plain',
      name: 'far0',
      bdf: '01:00.0',
      options: { vendorId: 0x8086, deviceId: 1, classCode: 0x03_8000, barBytes: 2 ** 33 },
    },
  ],
};

/** Everything but the number of the next trace record, which belongs to the run. */
function hashOf(machine: Machine): string {
  const { memory: _memory, seq: _seq, ...rest } = machine.snapshot();
  const hash = new StateHash();
  hash.value(rest);
  machine.memory.hashInto(hash);
  return hash.digest();
}

class MachineFuzz implements FuzzTarget {
  readonly #random: FuzzValues;
  readonly #workload: Workload;
  readonly #machine: Machine;
  readonly #hw: MachineHardware;
  #accepted = 0;

  constructor(seed: number) {
    this.#random = new FuzzValues(seed);
    this.#workload = new Workload(seed);
    this.#machine = new Machine({
      config: CONFIG,
      trace: { mode: 'store', capacity: 20_000 },
      crypto: nodeCrypto,
    });
    this.#hw = new MachineHardware(this.#machine);
    this.#setUp();
  }

  step(): void {
    const r = this.#random;
    const choice = r.below(100);
    if (choice < 20) {
      this.#config();
    } else if (choice < 45) {
      this.#mmio();
    } else if (choice < 70) {
      this.#portal();
    } else if (choice < 78) {
      this.#memory();
    } else if (choice < 96) {
      this.#hw.advance(r.below(3_000));
      this.#hw.takeInterrupt(r.below(2));
    } else if (choice < 99) {
      this.#unit();
    } else {
      this.#setUp();
    }
  }

  check(): void {
    const { addressMap, fabric } = this.#machine;
    expect(fabric.functions().size).toBeGreaterThanOrEqual(RIDS.length);
    expect(addressMap.find(PLATFORM.iommuBase)).toBeDefined();
  }

  finish(): number {
    checkTraceShape(this.#machine.trace);
    const { store } = this.#machine.memory;
    const other = new Machine({
      config: CONFIG,
      trace: { mode: 'count' },
      store,
      crypto: nodeCrypto,
    });
    other.restore(this.#machine.snapshot());
    expect(hashOf(other)).toBe(hashOf(this.#machine));
    return this.#accepted;
  }

  /** Places the BARs, switches everything on, and gives the accelerator a shared and a dedicated queue. */
  #setUp(): void {
    const hw = this.#hw;
    RIDS.forEach((rid, i) => {
      hw.configWrite(rid, 0x48, 2, 0x8000);
      [0x10, 0x18].forEach((at, bar) => {
        hw.configWrite(rid, at, 4, bar * 0x4000_0000);
        hw.configWrite(rid, at + 4, 4, 0x2000 + i * 0x100);
      });
      hw.configWrite(rid, 0x236, 2, 5);
      hw.configWrite(rid, 0x226, 2, 0x8000);
      hw.configWrite(rid, 0x82, 2, 0x8000);
      hw.configWrite(rid, 0x04, 2, 6);
    });
    hw.writeMsr(0, IA32_PASID, 0x8000_0001n);
    const write = (at: number, words: Uint32Array): void => {
      words.forEach((word, i) => {
        hw.mmioWrite(DSA_REGISTERS + at + 4 * i, 4, BigInt(word));
      });
    };
    write(0x600, GroupConfig.encode({ wqs: 3n, engines: 15n, readBuffersAllowed: 96 }));
    const common = { size: 16, threshold: 12, priority: 1, maxTransferShift: 20, maxBatchShift: 5 };
    write(0x800, WqConfig.encode({ ...common, mode: 1 }).subarray(0, 8));
    write(0x840, WqConfig.encode({ ...common, pasidEnable: 1 }).subarray(0, 8));
    for (const command of [1 << 20, 6 << 20, (6 << 20) | 1]) {
      hw.mmioWrite(DSA_REGISTERS + 0xa0, 4, BigInt(command));
      hw.advance(2_000);
    }
  }

  #config(): void {
    const r = this.#random;
    const rids = [...this.#machine.fabric.functions().keys(), r.below(0x1_0000)];
    const rid = r.pick(rids);
    const bytes = r.pick([1, 2, 4] as const);
    const offset = r.isOneIn(2) ? r.below(0x1004) : r.pick(CONFIG_OFFSETS);
    const value = this.#hw.configRead(rid, offset, bytes);
    expect(value).toBeLessThanOrEqual(2 ** (8 * bytes) - 1);
    if (r.isOneIn(6)) {
      this.#hw.configWrite(rid, offset, bytes, r.word());
    }
  }

  #mmio(): void {
    const r = this.#random;
    const bytes = r.pick([1, 2, 4, 4, 8] as const);
    const base = 0x2000_0000_0000 + r.below(RIDS.length) * 2 ** 40 + r.below(2) * 0x4000_0000;
    const inside = r.pick([r.below(0x1000), r.below(0x2_0000), 0x10_0000 + r.below(0x8000)]);
    const address = base + (r.isOneIn(4) ? inside : inside & ~7);
    this.#hw.mmioRead(address, bytes);
    if (r.isOneIn(3)) {
      this.#hw.mmioWrite(address, bytes, r.value(bytes));
    }
  }

  #portal(): void {
    const r = this.#random;
    const words = r.isOneIn(4) ? r.words(16) : this.#workload.descriptor();
    const address = DSA_PORTALS + r.below(0x8000 / 64) * 64;
    const cpu = r.below(2);
    switch (r.below(3)) {
      case 0:
        this.#hw.movdir64b(cpu, address, words);
        break;
      case 1:
        words[0] = 0;
        this.#accepted += this.#hw.enqcmd(cpu, address, words) === 'accepted' ? 1 : 0;
        break;
      default:
        this.#accepted += this.#hw.enqcmds(cpu, address, words) === 'accepted' ? 1 : 0;
    }
  }

  #memory(): void {
    const r = this.#random;
    const page = 0x10_0000 + r.below(0xe00) * 0x1000;
    this.#hw.memoryWrite(page + r.below(0xf80), r.bytes(1 + r.below(64)));
  }

  /** Registers of the remapping unit, mostly without switching it off. */
  #unit(): void {
    const r = this.#random;
    const offset = r.pick([0x18, 0x20, 0x28, 0x34, 0x38, 0x3c, 0x88, 0x90, 0x98, 0xa0, 0xb8, 0xc8]);
    this.#hw.mmioRead(PLATFORM.iommuBase + offset, 4);
    this.#hw.mmioWrite(PLATFORM.iommuBase + offset, 4, BigInt(r.word()));
  }
}

describe('machine with every device class under any traffic', () => {
  it(
    'does not throw, and another machine can take its state over',
    () => {
      const accepted = runFuzz('machine', 10, (seed) => new MachineFuzz(seed));
      const sum = accepted.reduce((total, count) => total + count, 0);
      expect(sum).toBeGreaterThan(accepted.length * 50);
    },
    fuzzTimeoutMs(),
  );
});
