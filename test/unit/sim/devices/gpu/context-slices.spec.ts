/** The worked example of a new device class: what its test has to show. */
import { expect, it } from 'vitest';
import { EventQueue } from '../../../../../src-main/sim/core/event-queue.ts';
import { Trace } from '../../../../../src-main/sim/core/trace.ts';
import { FakeUpstreamPort } from '../../../../support/fake-upstream-port.ts';
import { GpuDevice } from '../../../../support/gpu/gpu-device.ts';

function bench(...pasids: readonly number[]) {
  const trace = new Trace({ mode: 'store' });
  const queue = new EventQueue(trace);
  const port = new FakeUpstreamPort(2 ** 20);
  const gpu = new GpuDevice(port, queue, trace);
  [0x116, 0x106, 0x04].forEach((at, i) => gpu.configWrite(at, 2, [1, 0x8000, 6][i] as number));
  pasids.forEach((pasid, i) => {
    const context = (1n << 63n) | (BigInt((i << 20) | pasid) << 32n) | BigInt((i + 1) << 16);
    gpu.mmioWrite(0, i * 0x1000 + 0x800, 8, context);
  });
  const submit = (slice: number, ...command: readonly number[]) => {
    port.memory.set(new Uint8Array(Uint32Array.from(command).buffer), (slice + 1) << 16);
    gpu.mmioWrite(0, slice * 0x1000, 4, 1n);
  };
  const run = () => Array.from({ length: 9 }, () => queue.runNext(1e9));
  return { gpu, port, queue, submit, run };
}

it('works in the address space of each slice, interrupts its owner, and a fault stops no other', () => {
  const { gpu, port, submit, run } = bench(7, 8);
  [0xfee0_0000, 0, 0x61, 0].forEach((v, i) => gpu.mmioWrite(0, 0x4010 + 4 * i, 4, BigInt(v)));
  port.unmap(7, 0x8_0000);
  submit(0, 0x8_0000, 16, 0xaa);
  submit(1, 0x8_0000, 16, 0xbb);
  run();
  expect(port.memory[0x8_0000]).toBe(0xbb);
  expect(port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x61 }]);
  expect([0, 1].map((i) => gpu.mmioRead(0, i * 0x1000 + 0x800, 8) >> 63n)).toEqual([0n, 1n]);
});

it('goes on from a snapshot, and forgets everything in a reset', () => {
  const { gpu, port, queue, submit, run } = bench(7);
  submit(0, 0x8_0000, 16, 0xaa);
  const saved = structuredClone({ gpu: gpu.snapshot(), queue: queue.snapshot() });
  gpu.configWrite(0x48, 2, 0x8000);
  run();
  expect([gpu.mmioRead(0, 0x800, 8), port.memory[0x8_0000]]).toEqual([0n, 0]);
  gpu.restore(saved.gpu);
  queue.restore(saved.queue);
  run();
  expect(port.memory[0x8_0000]).toBe(0xaa);
});
