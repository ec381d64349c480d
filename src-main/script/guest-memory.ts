/**
 * Text and bytes in the engine's linear memory: a scratch area used as a stack for arguments and short strings, and a
 * cache of property names. Lone surrogates do not survive the border; they become U+FFFD.
 */
import { invariant } from '../bits/invariant.ts';
import type { Cell, Pointer, QuickJsExports } from './quickjs-abi.ts';

const SCRATCH_BYTES = 64 * 1024;
/** Below this length a loop over code units beats the text codecs. */
const SHORT_TEXT = 48;
const MAX_UTF8_PER_UNIT = 3;

export class GuestMemory {
  readonly #engine: QuickJsExports;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #names = new Map<string, Pointer>();
  readonly #scratch: Pointer;
  #top: Pointer;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(engine: QuickJsExports) {
    this.#engine = engine;
    this.#scratch = engine.wasm_malloc(SCRATCH_BYTES);
    invariant(this.#scratch !== 0, 'The engine has no memory for its scratch area');
    this.#top = this.#scratch;
    this.#bytes = new Uint8Array(engine.memory.buffer);
    this.#view = new DataView(engine.memory.buffer);
  }

  /** The whole memory. Fetched anew each time, because growth detaches the old buffer. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.#engine.memory.buffer) {
      this.#bytes = new Uint8Array(this.#engine.memory.buffer);
    }
    return this.#bytes;
  }

  get view(): DataView {
    if (this.#view.buffer !== this.#engine.memory.buffer) {
      this.#view = new DataView(this.#engine.memory.buffer);
    }
    return this.#view;
  }

  /** Marks the scratch area; `release` gives back all that was taken since. */
  mark(): Pointer {
    return this.#top;
  }

  release(mark: Pointer): void {
    this.#top = mark;
  }

  /** Eight-byte aligned scratch memory, or undefined when it does not fit. */
  take(size: number): Pointer | undefined {
    const start = this.#top;
    const end = start + Math.ceil(size / 8) * 8;
    if (end > this.#scratch + SCRATCH_BYTES) return undefined;
    this.#top = end;
    return start;
  }

  /** An argument vector in scratch memory. */
  argumentVector(cells: readonly Cell[]): Pointer {
    if (cells.length === 0) return 0;
    const start = this.take(cells.length * 4);
    invariant(start !== undefined, 'Too many arguments in one guest call');
    cells.forEach((cell, index) => {
      this.view.setUint32(start + index * 4, cell, true);
    });
    return start;
  }

  readArgumentVector(argc: number, argv: Pointer): Cell[] {
    const cells: Cell[] = [];
    for (let i = 0; i < argc; i++) cells.push(this.view.getUint32(argv + i * 4, true) as Cell);
    return cells;
  }

  /** Gives `use` the address and length of the text as UTF-8, with a zero byte behind it. */
  withText<T>(text: string, use: (pointer: Pointer, length: number) => T): T {
    const capacity = text.length * MAX_UTF8_PER_UNIT + 1;
    const mark = this.mark();
    const taken = this.take(capacity);
    const pointer = taken ?? this.#allocate(capacity);
    try {
      const length = this.#write(text, pointer, capacity);
      return use(pointer, length);
    } finally {
      this.release(mark);
      if (taken === undefined) this.#engine.wasm_free(pointer);
    }
  }

  /** A zero-ended copy from `wasm_malloc`, which the engine frees. */
  allocateText(text: string): { pointer: Pointer; length: number } {
    const capacity = text.length * MAX_UTF8_PER_UNIT + 1;
    const pointer = this.#allocate(capacity);
    return { pointer, length: this.#write(text, pointer, capacity) };
  }

  /** Address of a property name. Kept for the engine's lifetime: for names from our own declarations only. */
  name(name: string): Pointer {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const { pointer } = this.allocateText(name);
    this.#names.set(name, pointer);
    return pointer;
  }

  readText(pointer: Pointer, length: number): string {
    const bytes = this.bytes;
    if (length > SHORT_TEXT) return this.#decoder.decode(bytes.subarray(pointer, pointer + length));
    let text = '';
    for (let i = pointer; i < pointer + length; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) return this.#decoder.decode(bytes.subarray(pointer, pointer + length));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  readZeroEnded(pointer: Pointer): string {
    return this.readText(pointer, this.bytes.indexOf(0, pointer) - pointer);
  }

  #allocate(size: number): Pointer {
    const pointer = this.#engine.wasm_malloc(size);
    invariant(pointer !== 0, 'The engine is out of address space');
    return pointer;
  }

  #write(text: string, pointer: Pointer, capacity: number): number {
    const bytes = this.bytes;
    let length = 0;
    if (text.length <= SHORT_TEXT) {
      while (length < text.length) {
        const unit = text.charCodeAt(length);
        if (unit >= 0x80) break;
        bytes[pointer + length] = unit;
        length += 1;
      }
    }
    if (length < text.length) {
      const room = bytes.subarray(pointer, pointer + capacity - 1);
      length = this.#encoder.encodeInto(text, room).written;
    }
    bytes[pointer + length] = 0;
    return length;
  }
}
