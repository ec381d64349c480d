/**
 * Any traffic: registers, configuration space, portals, invalidations, page responses, resets. Nothing throws, queues and
 * engines keep their bounds, the trace is well formed.
 */
import { describe, expect, it } from 'vitest';
import { DSA_PROFILES, type DsaProfileName } from '../../src-main/spec/dsa/profiles.ts';
import type { PageResponseCode } from '../../src-main/sim/pcie/ports.ts';
import {
  checkRestoreIdentity,
  checkTraceShape,
  fuzzTimeoutMs,
  FuzzValues,
  runFuzz,
  type FuzzTarget,
} from '../support/device-fuzz.ts';
import { DEDICATED, DsaDriver, SHARED } from '../support/dsa-driver.ts';
import { Workload } from '../support/dsa-workload.ts';

const ENABLED = 1;
const CONFIG_OFFSETS = [
  0x04, 0x10, 0x14, 0x48, 0x82, 0x184, 0x190, 0x210, 0x226, 0x236, 0x244, 0x246, 0x24c,
];
const REGISTER_OFFSETS = [
  0x80, 0x88, 0x98, 0xa0, 0xc0, 0xe0, 0xe4, 0xe8, 0xf0, 0xf4, 0x108, 0x400, 0x640, 0x808, 0x818,
  0x200c, 0x900c, 0x4010, 0x4020, 0x4100, 0x4104, 0x4200,
];

class DsaFuzz implements FuzzTarget {
  readonly #random: FuzzValues;
  readonly #workload: Workload;
  readonly driver: DsaDriver;
  /** Descriptors that ended before the last resets, at least. */
  #completed = 0;

  constructor(seed: number, profile: DsaProfileName) {
    this.#random = new FuzzValues(seed);
    this.#workload = new Workload(seed);
    this.driver = new DsaDriver({
      config: { profile, atcEntries: 16, interruptHandles: seed % 3 === 0 ? 4 : 0 },
      trace: { mode: 'store', capacity: 20_000 },
      memoryBytes: 0x8_0000,
    });
    if (seed % 4 !== 0) {
      this.driver.setUp([DEDICATED, { ...SHARED, blockOnFault: 1 }]);
    }
  }

  step(): void {
    const isDown = this.driver.device.inspect.deviceState !== ENABLED;
    if (isDown && this.#random.below(30) === 0) {
      this.#revive();
    }
    const choice = this.#random.below(100);
    if (choice < 30) {
      this.#workload.step(this.driver);
    } else if (choice < 50) {
      this.#register();
    } else if (choice < 62) {
      this.#config();
    } else if (choice < 82) {
      this.#portal();
    } else if (choice < 90) {
      this.driver.run(this.#random.below(3_000));
    } else if (choice < 97) {
      this.#fabric();
    } else {
      this.#rare();
    }
  }

  /** Traffic would soon leave every device dead. */
  #revive(): void {
    const { device, port } = this.driver;
    this.#completed += device.inspect.completed().length;
    device.reset('power-on');
    for (let page = 0; page < 16; page++) {
      port.repairPage(0x4_0000 + page * 0x1000);
    }
    this.driver.setUp([DEDICATED, { ...SHARED, blockOnFault: 1 }]);
  }

  check(): void {
    checkBounds(this.driver);
  }

  finish(): number {
    checkTraceShape(this.driver.trace);
    checkRestoreIdentity(this.driver.device);
    return this.#completed + this.driver.device.inspect.completed().length;
  }

  #register(): void {
    const r = this.#random;
    const { device } = this.driver;
    const bytes = r.pick([1, 2, 4, 4, 4, 8] as const);
    const offset =
      r.below(2) === 0
        ? (REGISTER_OFFSETS[r.below(REGISTER_OFFSETS.length)] as number)
        : r.below(device.barBytes[0] ?? 0);
    device.mmioRead(r.below(3), offset, bytes);
    device.mmioWrite(
      r.below(8) === 0 ? 2 : 0,
      r.below(3) === 0 ? offset & ~7 : offset,
      bytes,
      r.value(bytes),
    );
  }

  #config(): void {
    const r = this.#random;
    const { device } = this.driver;
    const bytes = r.pick([1, 2, 4] as const);
    const offset =
      r.below(3) === 0
        ? r.below(0x1008)
        : (CONFIG_OFFSETS[r.below(CONFIG_OFFSETS.length)] as number);
    expect(device.configRead(offset, bytes)).toBeLessThanOrEqual(2 ** (8 * bytes) - 1);
    if (r.below(4) === 0) {
      device.configWrite(offset, bytes, r.word());
    }
  }

  #portal(): void {
    const r = this.#random;
    const words =
      r.below(2) === 0
        ? this.#workload.descriptor()
        : Uint32Array.from({ length: 16 }, () => r.word());
    const bar = r.below(20) === 0 ? 0 : 2;
    const offset = (r.below(r.below(4) === 0 ? 0x3_0000 : 0x8000) & ~0x3f) >>> 0;
    this.driver.device.blockWrite(bar, offset, words, r.below(2) === 0 ? 'posted' : 'deferrable');
  }

  #fabric(): void {
    const r = this.#random;
    const { device } = this.driver;
    if (r.below(2) === 0) {
      const codes: readonly PageResponseCode[] = [0, 1, 15];
      device.pageResponse(r.below(5) - 1, r.below(8), codes[r.below(3)] as PageResponseCode);
    } else {
      device.atsInvalidate({
        itag: r.below(32),
        pasid: r.below(5) - 1,
        isGlobal: r.below(2) === 0,
        high: r.word(),
        low: r.word() & ~0xfff,
        sizeShift: 12 + r.below(53),
      });
    }
  }

  #rare(): void {
    const r = this.#random;
    const { device, driver } = { device: this.driver.device, driver: this.driver };
    switch (r.below(8)) {
      case 0:
        device.reset(r.below(2) === 0 ? 'function-level' : 'power-on');
        break;
      case 1:
        device.revokeInterruptHandles();
        break;
      case 2:
        device.injectHalt(r.below(2) === 0 ? 'command' : 'functionLevel');
        break;
      case 3:
        device.migration.pause(r.below(8));
        device.migration.withdraw(r.below(8));
        break;
      case 4:
        device.migration.resume(r.below(8));
        break;
      case 5: {
        const state = device.migration.save(r.below(8));
        if (typeof state !== 'string') {
          device.migration.restore(r.below(8), state);
        }
        break;
      }
      case 6:
        driver.port.breakPage(0x4_0000 + r.below(16) * 0x1000);
        break;
      default:
        device.restore(device.snapshot());
    }
  }
}

function checkBounds({ device }: DsaDriver): void {
  const { inspect } = device;
  for (const wq of inspect.wqs()) {
    expect(wq.occupancy).toBeLessThanOrEqual(Math.max(wq.size, inspect.queued(wq.index).length));
    expect(wq.inProgress).toBeGreaterThanOrEqual(0);
  }
  const running = inspect.running();
  for (const engine of inspect.engines()) {
    expect(engine.workInProgress).toBeLessThanOrEqual(engine.workLimit);
    expect(engine.batchesInProgress).toBeLessThanOrEqual(engine.batchLimit);
    const own = running.filter((job) => job.engine === engine.index).length;
    expect(own).toBe(engine.workInProgress + engine.batchesInProgress);
  }
}

describe('accelerator under any traffic', () => {
  const profiles = Object.keys(DSA_PROFILES) as DsaProfileName[];

  it.each(profiles)(
    'does not throw and keeps its bounds (%s)',
    (profile) => {
      const completed = runFuzz('dsa', profiles.length, (seed) => new DsaFuzz(seed, profile));
      // The traffic does reach the engines.
      const sum = completed.reduce((total, count) => total + count, 0);
      expect(sum).toBeGreaterThan(completed.length * 100);
    },
    fuzzTimeoutMs(),
  );
});
