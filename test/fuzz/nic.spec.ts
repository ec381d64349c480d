/**
 * Any traffic for the network adapter and its virtual functions: registers, contexts, doorbells, rings full of random bytes,
 * frames from the wire, faults, resets. Nothing throws, indexes stay in their rings, no packet is delivered twice.
 */
import { describe, expect, it } from 'vitest';
import { nicPlaces, vfPlaces } from '../../src-main/sim/devices/nic/places.ts';
import { DOORBELL_PAGE, QUEUE_CONTEXT } from '../../src-main/spec/nic/registers.ts';
import {
  checkRestoreIdentity,
  checkTraceShape,
  fuzzTimeoutMs,
  FuzzValues,
  runFuzz,
  type FuzzTarget,
} from '../support/device-fuzz.ts';
import { BROADCAST_MAC, frameOf, macOf, NicDriver } from '../support/nic-driver.ts';
import { enableVfs, SRIOV, SRIOV_AT } from '../support/vf-registers.ts';

const PAIRS = 8;
const VFS = 3;
const RING = 16;
const CONFIG_OFFSETS = [
  0x04, 0x10, 0x14, 0x18, 0x48, 0x82, 0x168, 0x170, 0x180, 0x184, 0x188, 0x210, 0x226, 0x236,
];
const CONTEXT_NAMES = QUEUE_CONTEXT.registers.map((r) => r.name);
const DOORBELL_NAMES = DOORBELL_PAGE.registers.map((r) => r.name);

class NicFuzz implements FuzzTarget {
  readonly #random: FuzzValues;
  readonly #nic: NicDriver;
  #delivered = 0;

  constructor(seed: number) {
    this.#random = new FuzzValues(seed);
    this.#nic = new NicDriver({
      config: {
        queuePairs: PAIRS,
        wire: seed % 2 === 0 ? 'reflect' : 'sink',
        sriov: { totalVfs: VFS },
        imsEntries: 256,
        atcEntries: 16,
        learnedAddresses: 4,
      },
      trace: { mode: 'store', capacity: 20_000 },
      memoryBytes: 4 * 2 ** 20,
    });
    this.#setUp();
  }

  step(): void {
    const r = this.#random;
    const choice = r.below(100);
    if (choice < 30) {
      this.#traffic();
    } else if (choice < 50) {
      this.#registers();
    } else if (choice < 60) {
      this.#anywhere();
    } else if (choice < 68) {
      this.#config();
    } else if (choice < 76) {
      this.#ringBytes();
    } else if (choice < 90) {
      this.#nic.run(r.below(3_000));
    } else if (choice < 97) {
      this.#fabric();
    } else {
      this.#rare();
    }
  }

  check(): void {
    const { inspect } = this.#nic.device;
    for (let i = 0; i < PAIRS; i++) {
      const { tx, rx, counters } = inspect.queuePair(i);
      expect(tx.head).toBeLessThan(Math.max(1, tx.count));
      expect(rx.head).toBeLessThan(Math.max(1, rx.count));
      expect(counters.txDropped).toBeLessThanOrEqual(counters.txPackets);
    }
    for (const { outcomes } of inspect.packets()) {
      const targets = outcomes.map((outcome) => outcome.to);
      expect(new Set(targets).size).toBe(targets.length);
    }
  }

  finish(): number {
    checkTraceShape(this.#nic.trace);
    checkRestoreIdentity(this.#nic.device);
    this.#count();
    return this.#delivered;
  }

  #count(): void {
    for (let i = 0; i < PAIRS; i++) {
      this.#delivered += this.#nic.device.inspect.queuePair(i).counters.rxPackets;
    }
  }

  #setUp(): void {
    this.#nic.setUpFunction();
    for (let pair = 0; pair < PAIRS; pair++) {
      this.#nic.setUpPair(pair, { pasid: pair + 1, ringSize: RING, ims: pair });
    }
  }

  #traffic(): void {
    const r = this.#random;
    const from = r.below(PAIRS);
    const to = r.isOneIn(6) ? BROADCAST_MAC : macOf(r.below(PAIRS + 1));
    const frame = frameOf(to, macOf(r.isOneIn(10) ? r.below(PAIRS) : from), r.below(1_500), from);
    switch (r.below(4)) {
      case 0:
        this.#nic.device.receiveFromWire(r.isOneIn(4) ? r.bytes(r.below(60)) : frame);
        break;
      case 1:
        this.#nic.receive(from);
        this.#nic.post(from, r.below(4));
        break;
      default:
        this.#nic.send(from, frame, { pieces: 1 + r.below(3) });
    }
  }

  #registers(): void {
    const r = this.#random;
    const pair = r.below(PAIRS);
    if (r.isOneIn(2)) {
      this.#nic.context(pair, r.pick(CONTEXT_NAMES));
      if (r.isOneIn(4)) {
        this.#nic.setContext(pair, r.pick(CONTEXT_NAMES), r.value(4));
      }
    } else {
      this.#nic.doorbell(pair, r.pick(DOORBELL_NAMES));
      this.#nic.setDoorbell(pair, r.pick(DOORBELL_NAMES), r.isOneIn(3) ? r.word() : r.below(RING));
    }
  }

  /** Any offset of any function; reads of what is not theirs find ones or zeros. */
  #anywhere(): void {
    const r = this.#random;
    const { device, host } = this.#nic;
    const bytes = r.pick([1, 2, 4, 4, 8] as const);
    const places = nicPlaces(device.settings);
    const offset = r.pick([
      r.below(places.bar0Bytes),
      places.contexts + r.below(PAIRS * 0x100),
      places.msixTable + r.below(0x400),
      places.ims + r.below(0x100),
    ]);
    const aligned = offset & ~(r.isOneIn(4) ? 0 : 7);
    device.mmioRead(r.pick([0, 2]), aligned, bytes);
    device.mmioWrite(r.pick([0, 0, 2]), aligned, bytes, r.value(bytes));
    device.blockWrite(2, offset & ~63, r.words(16), r.pick(['posted', 'deferrable']));
    const vfs = [...host.functions.values()];
    if (vfs.length > 0) {
      const vf = r.pick(vfs);
      const inside = r.below(vfPlaces(1).barBytes) & ~(r.isOneIn(4) ? 0 : 7);
      vf.configWrite(0x04, 2, r.below(16));
      vf.mmioRead(0, inside, bytes);
      vf.mmioWrite(0, inside, bytes, r.value(bytes));
      vf.configWrite(r.pick([0x04, 0x10, 0x48, 0x82, r.below(0x1000)]), 2, r.word() & 0xffff);
    }
  }

  #config(): void {
    const r = this.#random;
    const bytes = r.pick([1, 2, 4] as const);
    const offset = r.isOneIn(3) ? r.below(0x1008) : r.pick(CONFIG_OFFSETS);
    const value = this.#nic.device.configRead(offset, bytes);
    expect(value).toBeLessThanOrEqual(2 ** (8 * bytes) - 1);
    if (r.isOneIn(3)) {
      this.#nic.device.configWrite(offset, bytes, r.word());
    }
  }

  /** Random bytes where the device looks for descriptors. */
  #ringBytes(): void {
    const r = this.#random;
    const ring = this.#nic.memoryOf(r.below(PAIRS)) + (r.isOneIn(2) ? 0 : 0x1_0000);
    this.#nic.port.memory.set(r.bytes(16), ring + r.below(RING) * 16);
  }

  #fabric(): void {
    const r = this.#random;
    const { port, device } = this.#nic;
    const pair = r.below(PAIRS);
    const page = this.#nic.memoryOf(pair) + r.below(64) * 0x1000;
    const faults = [
      () => port.unmap(pair + 1, page),
      () => port.map(pair + 1, page),
      () => port.breakPage(page),
      () => port.repairPage(page),
    ];
    r.pick(faults)();
    device.atsInvalidate({
      itag: r.below(32),
      pasid: r.below(PAIRS + 2) - 1,
      isGlobal: r.isOneIn(2),
      high: 0,
      low: page,
      sizeShift: 12 + r.below(53),
    });
  }

  #rare(): void {
    const r = this.#random;
    const { device } = this.#nic;
    switch (r.below(4)) {
      case 0:
        enableVfs(device, r.below(VFS + 2));
        break;
      case 1:
        device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
        break;
      case 2:
        this.#nic.setContext(r.below(PAIRS), 'Q_RESET', 1);
        break;
      default:
        this.#count();
        device.reset(r.pick(['function-level', 'power-on']));
        this.#setUp();
    }
  }
}

describe('network adapter under any traffic', () => {
  it(
    'does not throw, keeps its indexes in their rings and delivers once',
    () => {
      const delivered = runFuzz('nic', 2, (seed) => new NicFuzz(seed));
      const sum = delivered.reduce((total, count) => total + count, 0);
      expect(sum).toBeGreaterThan(delivered.length * 100);
    },
    fuzzTimeoutMs(),
  );
});
