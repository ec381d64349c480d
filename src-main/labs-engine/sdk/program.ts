/** A program's memory as checks see it: its areas, and what its page tables lead to. Reading changes nothing. */
import type { PhysicalMemory, PlainData } from '../../sim/index.ts';
import { translateFirstStage } from './page-tables.ts';

/** One mapping of a program. */
export interface ProgramArea {
  readonly start: number;
  readonly end: number;
  /** File behind it, or what kind of memory it is. */
  readonly name: string;
  /** Pages of a device: stores leave the CPU. */
  readonly isDevice: boolean;
}

export class Program {
  readonly name: string;
  readonly areas: readonly ProgramArea[];
  /** PASID of the address space, null without. */
  readonly pasid: number | null;
  readonly #memory: PhysicalMemory;
  readonly #root: number;

  /** `state` is what the kernel publishes as `process/<name>`. */
  constructor(memory: PhysicalMemory, name: string, state: Readonly<Record<string, PlainData>>) {
    this.#memory = memory;
    this.name = name;
    this.#root = Number(state['pageTable']);
    this.pasid = typeof state['pasid'] === 'number' ? state['pasid'] : null;
    this.areas = areasOf(state['areas']);
  }

  /** Physical address behind one of the program's, undefined where nothing is mapped. */
  translate(address: number): number | undefined {
    return translateFirstStage(this.#memory, this.#root, address)?.hpa;
  }

  /** Bytes of the program's memory, inside one page. Zeros where nothing is mapped. */
  read(address: number, bytes: number): Uint8Array {
    const physical = this.translate(address);
    return physical === undefined ? new Uint8Array(bytes) : this.#memory.readBytes(physical, bytes);
  }
}

function areasOf(value: PlainData | undefined): readonly ProgramArea[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly Readonly<Record<string, PlainData>>[]).map((area) => ({
    start: Number(area['start']),
    end: Number(area['end']),
    name: String(area['name']),
    isDevice: area['isDevice'] === true,
  }));
}
