/** Ring pairs of the QAT-class accelerator: arbitration, interrupts, halting, reset, state. */
import { describe, expect, it } from 'vitest';
import { QAT_PLACES } from '../../../../../src-main/sim/devices/qat/config-space.ts';
import { QatDriver } from '../../../../support/qat-driver.ts';

function started(pairs = 3): QatDriver {
  const qat = new QatDriver({ ringPairs: 4 });
  for (let i = 0; i < pairs; i++) {
    qat.setUpPair(i, 10 + i);
  }
  return qat;
}

function nothing(qat: QatDriver, pair: number, opaque: number): void {
  qat.submit(pair, { service: 0, opaque: BigInt(opaque) });
}

/** Unmasked IMS entry for a ring pair. */
function withVector(qat: QatDriver, pair: number): void {
  qat.device.mmioWrite(0, QAT_PLACES.ims, 4, 0xfee0_0000n);
  qat.device.mmioWrite(0, QAT_PLACES.ims + 8, 4, 0x55n);
  qat.device.mmioWrite(0, QAT_PLACES.ims + 12, 4, 0n);
  qat.set(pair, 0x110c, 0x1_0000);
  qat.set(pair, 0x16c, 2);
}

describe('a ring pair', () => {
  it('answers in order and wraps around', () => {
    const qat = started(1);
    const seen: number[] = [];
    for (let i = 0; i < 100; i++) {
      nothing(qat, 0, i);
      qat.run(10_000);
      seen.push(...qat.responses(0).map((r) => Number(r.opaque)));
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(qat.get(0, 0x14c)).toBe(3);
  });

  it('stops at a full response ring until software makes room', () => {
    const qat = started(1);
    qat.set(0, 0x1004, 1);
    for (let i = 0; i < 6; i++) {
      nothing(qat, 0, i);
    }
    qat.run();
    expect(qat.device.pairs[0]?.counters.responses).toBe(3);
    qat.set(0, 0xc4, 96);
    qat.run();
    expect(qat.device.pairs[0]?.counters.responses).toBe(6);
  });

  it('tells how full its rings are', () => {
    const status = (qat: QatDriver): Readonly<Record<string, number>> => ({
      empty: qat.get(0, 0x14c),
      nearlyEmpty: qat.get(0, 0x150),
      nearlyFull: qat.get(0, 0x154),
      full: qat.get(0, 0x158),
    });
    const qat = started(1);
    qat.set(0, 0x19c, 0);
    expect(status(qat)).toEqual({ empty: 3, nearlyEmpty: 3, nearlyFull: 0, full: 0 });
    for (let i = 0; i < 31; i++) {
      nothing(qat, 0, i);
    }
    expect(status(qat)).toEqual({ empty: 2, nearlyEmpty: 2, nearlyFull: 1, full: 1 });
    qat.set(0, 0x1004, 1);
    qat.set(0, 0x19c, 3);
    qat.run();
    expect(status(qat)).toEqual({ empty: 0, nearlyEmpty: 0, nearlyFull: 2, full: 2 });
  });

  it('moves its own indexes: software cannot', () => {
    const qat = started(1);
    nothing(qat, 0, 1);
    qat.run();
    const indexes = (): readonly number[] => [qat.get(0, 0xc0), qat.get(0, 0x104)];
    expect(indexes()).toEqual([128, 32]);
    qat.set(0, 0xc0, 0xffff_ff80);
    qat.set(0, 0x104, 4);
    expect(indexes()).toEqual([128, 32]);
  });

  it('halts when its ring was made smaller than its index', () => {
    const qat = started(1);
    for (let i = 0; i < 3; i++) {
      nothing(qat, 0, i);
    }
    qat.run();
    qat.set(0, 0x1000, 2);
    qat.set(0, 0x100, 0);
    qat.run();
    expect([qat.get(0, 0x140), qat.get(0, 0x148)]).toEqual([0x600, 1]);
  });

  it('is not served while the arbiter leaves it out', () => {
    const qat = started(1);
    qat.set(0, 0x19c, 1);
    nothing(qat, 0, 1);
    qat.run();
    expect(qat.responses(0)).toEqual([]);
    qat.set(0, 0x19c, 3);
    qat.run();
    expect(qat.responses(0)).toHaveLength(1);
  });

  it('shares the device in turn with the others', () => {
    const qat = started(3);
    for (let i = 0; i < 8; i++) {
      nothing(qat, 0, i);
    }
    nothing(qat, 1, 100);
    nothing(qat, 2, 200);
    qat.run(4_500);
    const done = qat.device.pairs.map((p) => p.counters.responses);
    expect(done.slice(1, 3)).toEqual([1, 1]);
    expect(done[0]).toBeLessThan(8);
  });

  it('uses its own PASID', () => {
    const qat = started(2);
    qat.port.isRecording = true;
    nothing(qat, 0, 1);
    nothing(qat, 1, 1);
    qat.run();
    const spaces = qat.port.translations.map((t) => [t.low < qat.memoryOf(1) ? 0 : 1, t.pasid]);
    expect(new Set(spaces.map(([pair, pasid]) => `${pair}:${pasid}`))).toEqual(
      new Set(['0:10', '1:11']),
    );
  });
});

describe('interrupts', () => {
  it('come once until the flag is cleared', () => {
    const qat = started(1);
    withVector(qat, 0);
    nothing(qat, 0, 1);
    nothing(qat, 0, 2);
    qat.run();
    expect(qat.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x55 }]);
    expect(qat.get(0, 0x170)).toBe(2);
    qat.set(0, 0x170, 2);
    expect(qat.port.interrupts).toHaveLength(2);
    qat.responses(0);
    qat.set(0, 0x170, 2);
    expect(qat.port.interrupts).toHaveLength(2);
  });

  it('are switched and re-armed for all rings of a bank at once, as the kernel driver does', () => {
    const qat = started(1);
    withVector(qat, 0);
    qat.set(0, 0x180, 0x8000_0000 + 10);
    qat.set(0, 0x184, 0);
    nothing(qat, 0, 1);
    qat.run();
    expect(qat.port.interrupts).toEqual([]);
    qat.set(0, 0x184, 2);
    expect([qat.get(0, 0x16c), qat.get(0, 0x17c)]).toEqual([2, 2]);
    qat.run(2_000);
    expect(qat.port.interrupts).toEqual([]);
    qat.run();
    expect([qat.port.interrupts.length, qat.get(0, 0x170)]).toEqual([1, 2]);
    // The handler ends by writing the mask again: the flag is down, and what still waits raises it.
    qat.set(0, 0x184, 2);
    expect(qat.get(0, 0x170)).toBe(0);
    qat.run();
    expect(qat.port.interrupts).toHaveLength(2);
  });

  it('of errors come through the last entry, where they are enabled', () => {
    const qat = started(2);
    const last = QAT_PLACES.msixTable + 16 * 4;
    qat.device.configWrite(0x82, 2, 0x8000);
    qat.device.mmioWrite(0, last, 4, 0xfee0_0000n);
    qat.device.mmioWrite(0, last + 8, 4, 0x77n);
    qat.device.mmioWrite(0, last + 12, 4, 0n);
    qat.set(1, 0x18c, 1);
    for (const pair of [0, 1]) {
      qat.port.unmap(10 + pair, qat.memoryOf(pair));
      nothing(qat, pair, 1);
    }
    qat.run();
    expect([qat.get(0, 0x188), qat.get(1, 0x188)]).toEqual([1, 1]);
    expect(qat.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x77 }]);
  });

  it('wait for the coalescing timer', () => {
    const qat = started(1);
    withVector(qat, 0);
    qat.set(0, 0x17c, 2);
    qat.set(0, 0x180, 0x8000_0000 + 100);
    for (let i = 0; i < 5; i++) {
      nothing(qat, 0, i);
    }
    qat.run(20_000);
    expect(qat.port.interrupts).toHaveLength(0);
    qat.run(30_000);
    expect(qat.port.interrupts).toHaveLength(1);
    expect(qat.responses(0)).toHaveLength(5);
  });
});

describe('a halted ring pair', () => {
  it.each<[string, (qat: QatDriver) => void, number, number, number]>([
    ['when a request cannot be read', (qat) => qat.port.unmap(10, qat.memoryOf(0)), 0x200, 1, 0],
    [
      'when a response cannot be written',
      (qat) => qat.port.unmap(10, qat.memoryOf(0) + 0x8000),
      0x200,
      2,
      0,
    ],
    ['when the tail is no request', (qat) => qat.set(0, 0x100, 100), 0x600, 1, 1],
    ['when the head is no response', (qat) => qat.set(0, 0xc4, 100), 0x600, 2, 2],
  ])('%s leaves the others alone and comes back by reset', (_, mistake, status, ring, lost) => {
    const qat = started(2);
    mistake(qat);
    nothing(qat, 0, 1);
    if (status === 0x600) {
      mistake(qat);
    }
    nothing(qat, 1, 2);
    qat.run();
    expect(qat.get(0, 0x140)).toBe(status);
    expect([qat.get(0, 0x188), qat.get(0, 0x148)]).toEqual([ring, lost]);
    expect(qat.responses(1)).toHaveLength(1);
    const sibling = qat.device.snapshot().pairs[1];
    qat.set(0, 0x1100, 1);
    expect(qat.get(0, 0x1104)).toBe(1);
    expect(qat.get(0, 0x140)).toBe(0);
    expect(qat.get(0, 0x1108)).toBe(0x8000_000a);
    expect(qat.device.snapshot().pairs[1]).toEqual(sibling);
    qat.port.map(10, qat.memoryOf(0));
    qat.port.map(10, qat.memoryOf(0) + 0x8000);
    qat.setUpPair(0);
    nothing(qat, 0, 3);
    qat.run();
    expect(qat.responses(0).map((r) => r.opaque)).toEqual([3n]);
  });
});

describe('the state', () => {
  it('goes on from a snapshot exactly as it would have', () => {
    const qat = started(2);
    for (let i = 0; i < 6; i++) {
      nothing(qat, i % 2, i);
    }
    qat.run(2_000);
    const saved = structuredClone({
      device: qat.device.snapshot(),
      queue: qat.queue.snapshot(),
      memory: qat.port.memory,
    });
    qat.run();
    const end = structuredClone({ device: qat.device.snapshot(), memory: qat.port.memory });
    qat.device.restore(saved.device);
    qat.queue.restore(saved.queue);
    qat.port.memory.set(saved.memory);
    expect(qat.device.snapshot()).toEqual(saved.device);
    qat.run();
    expect(qat.device.snapshot()).toEqual(end.device);
    expect(Buffer.from(qat.port.memory).equals(Buffer.from(end.memory))).toBe(true);
  });

  it('is as after power-on once the function was reset', () => {
    const fresh = new QatDriver({ ringPairs: 4 }).device;
    const qat = started(2);
    nothing(qat, 0, 1);
    qat.device.configWrite(0x48, 2, 0x8000);
    fresh.configWrite(0x48, 2, 0x8000);
    expect(qat.device.snapshot().pairs).toEqual(fresh.snapshot().pairs);
    qat.run();
    expect(qat.device.pairs[0]?.counters.responses).toBe(0);
  });

  it('never breaks, whatever is written to the registers', () => {
    const qat = new QatDriver({ ringPairs: 2 });
    let seed = 12_345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed % below;
    };
    const offsets = [
      0xc0, 0xc4, 0x100, 0x104, 0x140, 0x148, 0x16c, 0x170, 0x174, 0x17c, 0x180, 0x184, 0x188,
      0x18c, 0x19c, 0x1000, 0x1004, 0x1040, 0x1044, 0x1080, 0x1100, 0x1104, 0x1108, 0x110c,
    ];
    for (let i = 0; i < 3_000; i++) {
      const offset = offsets[random(offsets.length)] ?? 0;
      qat.set(random(2), offset, random(3) === 0 ? random(2 ** 32) : random(256) * 32);
      qat.run(random(3_000));
    }
    const state = qat.device.snapshot();
    qat.device.restore(structuredClone(state));
    expect(qat.device.snapshot()).toEqual(state);
  });

  it('refuses accesses that are not 4 or 8 aligned bytes', () => {
    const qat = started(1);
    expect(qat.device.mmioRead(0, 1, 1)).toBe(0xffn);
    qat.device.mmioWrite(0, QAT_PLACES.banks + 0x102, 2, 1n);
    expect(qat.get(0, 0x100)).toBe(0);
  });
});
