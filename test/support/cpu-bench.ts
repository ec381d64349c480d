/** CPUs with memory, a recording bus and a trace, and nothing else around them. */
import { CpuComplex, type CpuComplexOptions } from '../../src-main/sim/cpu/cpu-complex.ts';
import type { BusPort } from '../../src-main/sim/cpu/ports.ts';
import { Trace, type TraceOptions } from '../../src-main/sim/core/trace.ts';
import { FrameStore } from '../../src-main/sim/memory/frame-store.ts';
import { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { BlockWriteKind, BlockWriteResult } from '../../src-main/sim/pcie/ports.ts';

export const RAM_BYTES = 16 * 2 ** 20;
/** Read-only memory of the bench. */
export const ROM_BASE = 0x1000_0000;
export const ROM_BYTES = 0x10_000;

/** RAM above 4 GiB. */
export const HIGH_RAM_BASE = 0x1_2340_0000;
export const HIGH_RAM_BYTES = 0x10_0000;

export interface BlockWrite {
  readonly high: number;
  readonly low: number;
  readonly words: Uint32Array;
  readonly kind: BlockWriteKind;
}

export class RecordingBus implements BusPort {
  readonly writes: BlockWrite[] = [];
  answer: BlockWriteResult = 'accepted';

  blockWrite(
    high: number,
    low: number,
    words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    this.writes.push({ high, low, words: words.slice(), kind });
    return this.answer;
  }
}

export function createMemory(): PhysicalMemory {
  return new PhysicalMemory(new FrameStore(), [
    { base: 0, bytes: RAM_BYTES, kind: 'ram' },
    { base: ROM_BASE, bytes: ROM_BYTES, kind: 'rom' },
    { base: HIGH_RAM_BASE, bytes: HIGH_RAM_BYTES, kind: 'ram' },
  ]);
}

export interface CpuBench {
  readonly memory: PhysicalMemory;
  readonly trace: Trace;
  readonly bus: RecordingBus;
  readonly complex: CpuComplex;
}

export function createCpuBench(
  options: Partial<CpuComplexOptions> = {},
  traceMode: TraceOptions['mode'] = 'store',
): CpuBench {
  const memory = createMemory();
  const trace = new Trace({ mode: traceMode });
  const bus = new RecordingBus();
  const complex = new CpuComplex(
    { cpus: 2, physicalAddressBits: 46, apicBase: 0xfee0_0000, ...options },
    { memory, bus, trace },
  );
  return { memory, trace, bus, complex };
}
