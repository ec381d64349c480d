/** Values that `// ?` probes saw: all of the first ones, then only the last. */
import type { Cell, Sandbox } from './sandbox.ts';
import type { ScriptProbe } from './transpile.ts';
import type { ValuePrinter } from './value-printer.ts';

export interface ProbeReport {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** How often this probe has run so far. */
  readonly hits: number;
}

export class ProbeLog {
  readonly #sandbox: Sandbox;
  readonly #printer: ValuePrinter;
  readonly #probes: readonly ScriptProbe[];
  readonly #limit: number;
  readonly #deliver: (report: ProbeReport) => void;
  readonly #hits: Uint32Array;
  /** Newest unreported value of a probe past its limit. */
  readonly #pending = new Map<number, Cell>();

  constructor(options: {
    readonly sandbox: Sandbox;
    readonly printer: ValuePrinter;
    readonly probes: readonly ScriptProbe[];
    /** Values reported of each probe. */
    readonly limit: number;
    readonly deliver: (report: ProbeReport) => void;
  }) {
    this.#sandbox = options.sandbox;
    this.#printer = options.printer;
    this.#probes = options.probes;
    this.#limit = options.limit;
    this.#deliver = options.deliver;
    this.#hits = new Uint32Array(options.probes.length);
  }

  note(id: number, value: Cell): void {
    const hits = (this.#hits[id] ?? 0) + 1;
    this.#hits[id] = hits;
    if (hits <= this.#limit) {
      this.#report(id, value);
      return;
    }
    const older = this.#pending.get(id);
    if (older !== undefined) this.#sandbox.free(older);
    this.#pending.set(id, this.#sandbox.duplicate(value));
  }

  /** Reports the last value of each probe that passed its limit. */
  close(): void {
    for (const [id, value] of this.#pending) this.#report(id, value);
    this.#pending.clear();
  }

  #report(id: number, value: Cell): void {
    const probe = this.#probes[id];
    if (probe === undefined) return;
    const text = this.#printer.print(value);
    const { path, line } = probe;
    this.#deliver({ path, line, text, hits: this.#hits[id] ?? 0 });
  }
}
