/** The worked example of a new device class: what its test has to show. */
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../../../src-main/sim/core/event-queue.ts';
import { Trace } from '../../../../../src-main/sim/core/trace.ts';
import { FakeUpstreamPort } from '../../../../support/fake-upstream-port.ts';
import { GpuDevice } from '../../../../support/gpu/gpu-device.ts';
import { GPU_COMMAND } from '../../../../support/gpu/gpu-registers.ts';

const RING = 0x1_0000;
const SLICE_BYTES = 0x1000;

class Bench {
  readonly trace = new Trace({ mode: 'store' });
  readonly queue = new EventQueue(this.trace);
  readonly port = new FakeUpstreamPort(2 ** 20);
  readonly gpu = new GpuDevice(this.port, this.queue, this.trace, 4);
  readonly #tails = new Map<number, number>();

  constructor() {
    this.gpu.configWrite(0x116, 2, 1);
    this.gpu.configWrite(0x106, 2, 0x8000);
    this.gpu.configWrite(0x04, 2, 6);
  }

  set(slice: number, offset: number, value: number): void {
    this.gpu.mmioWrite(0, slice * SLICE_BYTES + offset, 4, BigInt(value >>> 0));
  }

  get(slice: number, offset: number): number {
    return Number(this.gpu.mmioRead(0, slice * SLICE_BYTES + offset, 4));
  }

  open(slice: number, pasid: number, vector = 0): void {
    this.set(slice, 0x800, RING * (slice + 1));
    this.set(slice, 0x804, 0x8000_0000 + vector * 2 ** 20 + pasid);
  }

  submit(slice: number, ...command: readonly number[]): void {
    const tail = this.#tails.get(slice) ?? 0;
    const bytes = new Uint8Array(Uint32Array.from(command).buffer);
    this.port.memory.set(bytes, RING * (slice + 1) + tail * 16);
    this.#tails.set(slice, tail + 1);
    this.set(slice, 0x00, tail + 1);
  }

  run(): void {
    while (this.queue.runNext(1e9)) {
      // Everything due.
    }
  }
}

describe('a context slice', () => {
  it('runs its commands in its own address space', () => {
    const bench = new Bench();
    bench.port.isRecording = true;
    bench.open(0, 7);
    bench.submit(0, GPU_COMMAND.fill, 64, 0xab, 0x8_0000);
    bench.submit(0, GPU_COMMAND.copy, 64, 0x8_0000, 0x8_1000);
    bench.run();
    expect([...bench.port.memory.slice(0x8_1000, 0x8_1040)]).toEqual(Array(64).fill(0xab));
    expect(new Set(bench.port.translations.map((t) => t.pasid))).toEqual(new Set([7]));
    expect(bench.get(0, 0x04)).toBe(2);
  });

  it('raises its own IMS entry', () => {
    const bench = new Bench();
    bench.gpu.mmioWrite(0, 0x1_0030, 4, 0xfee0_0000n);
    bench.gpu.mmioWrite(0, 0x1_0038, 4, 0x61n);
    bench.gpu.mmioWrite(0, 0x1_003c, 4, 0n);
    bench.open(1, 8, 3);
    bench.submit(1, GPU_COMMAND.interrupt, 0, 0, 0);
    bench.run();
    expect(bench.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x61 }]);
  });

  it('that faults is out of service, and its sibling notices nothing', () => {
    const bench = new Bench();
    bench.open(0, 7);
    bench.open(1, 8);
    bench.port.unmap(7, 0x8_0000);
    bench.submit(0, GPU_COMMAND.fill, 16, 1, 0x8_0000);
    bench.submit(1, GPU_COMMAND.fill, 16, 2, 0x8_0000);
    bench.run();
    expect(bench.get(0, 0x804) >>> 31).toBe(0);
    expect(bench.get(1, 0x804) >>> 31).toBe(1);
    expect(bench.port.memory[0x8_0000]).toBe(2);
  });

  it('takes turns with the others, and goes on from a snapshot', () => {
    const bench = new Bench();
    bench.open(0, 7);
    bench.open(1, 8);
    for (let i = 0; i < 4; i++) {
      bench.submit(0, GPU_COMMAND.compute, 10_000, 0, 0);
    }
    bench.submit(1, GPU_COMMAND.fill, 16, 5, 0x8_0000);
    bench.queue.runNext(1e9);
    const saved = structuredClone({ gpu: bench.gpu.snapshot(), queue: bench.queue.snapshot() });
    bench.queue.runNext(1e9);
    expect([bench.get(0, 0x04), bench.get(1, 0x04)]).toEqual([1, 1]);
    bench.run();
    const end = bench.gpu.snapshot();
    bench.gpu.restore(saved.gpu);
    bench.queue.restore(saved.queue);
    bench.run();
    expect(bench.gpu.snapshot()).toEqual(end);
  });

  it('is gone after a function level reset', () => {
    const bench = new Bench();
    bench.open(0, 7);
    bench.submit(0, GPU_COMMAND.fill, 16, 1, 0x8_0000);
    bench.gpu.configWrite(0x48, 2, 0x8000);
    bench.run();
    expect(bench.get(0, 0x800)).toBe(0);
    expect(bench.port.memory[0x8_0000]).toBe(0);
  });
});
