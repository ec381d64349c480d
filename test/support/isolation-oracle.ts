/**
 * Who wrote to whose page. The oracle knows on whose behalf each descriptor was submitted and who owned each page at every
 * instant, so it finds what no fault shows: stale translations, forged PASIDs, addresses that nobody translated.
 */
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { Lab, TraceRow } from './linux-machine.ts';

const PAGE = 4096;

export interface Breach {
  /** On whose behalf the device wrote. */
  readonly principal: string;
  readonly page: number;
  /** Owner of the page at that instant; `nobody` for a page that was free. */
  readonly owner: string;
}

interface Change {
  readonly seq: number;
  readonly page: number;
  readonly before: string;
}

interface Turn {
  readonly from: number;
  readonly to: number;
  readonly principal: string;
}

export class IsolationOracle {
  readonly #lab: Pick<Lab, 'machine' | 'kernel' | 'rows'>;
  readonly #changes: Change[] = [];
  readonly #turns: Turn[] = [];
  readonly #from: number;

  constructor(lab: Pick<Lab, 'machine' | 'kernel' | 'rows'>) {
    this.#lab = lab;
    this.#from = lab.machine.trace.head;
    this.#watch(lab.kernel);
  }

  /** What is submitted meanwhile belongs to this principal: the process that owns the memory it may use. */
  during<T>(principal: string, body: () => T): T {
    const { trace } = this.#lab.machine;
    const from = trace.head;
    try {
      return body();
    } finally {
      this.#turns.push({ from, to: trace.head, principal });
    }
  }

  /** Writes that left the memory of their principal, one for each page. */
  breaches(): readonly Breach[] {
    const rows = new Map(this.#lab.rows().map((row) => [row.seq, row]));
    const found = new Map<string, Breach>();
    for (const row of rows.values()) {
      if (row.kind !== 'memory.bytes.written-by-device' || row.seq < this.#from) {
        continue;
      }
      const principal = this.#principalOf(row, rows);
      const address = Number(row.values['address']);
      const page = address - (address % PAGE);
      const owner = this.#ownerAt(page, row.seq);
      if (principal !== undefined && owner !== principal) {
        found.set(`${principal} ${page} ${owner}`, { principal, page, owner });
      }
    }
    return [...found.values()];
  }

  /** The cause of a write goes back to the submission, which happened in somebody's turn. */
  #principalOf(row: TraceRow, rows: ReadonlyMap<number, TraceRow>): string | undefined {
    for (let at: TraceRow | undefined = row; at !== undefined; at = rows.get(at.cause)) {
      const { seq, kind } = at;
      const isSubmission = kind === 'dsa.descriptor.enqueued' || at === row;
      const turn = this.#turns.find((t) => seq >= t.from && seq < t.to);
      if (isSubmission && kind === 'dsa.descriptor.enqueued') {
        return turn?.principal;
      }
      if (at === row && row.cause < 0) {
        return turn?.principal;
      }
    }
    return this.#turns.find((t) => row.seq >= t.from && row.seq < t.to)?.principal;
  }

  #ownerAt(page: number, seq: number): string {
    const later = this.#changes.find((c) => c.page === page && c.seq > seq);
    return later?.before ?? this.#ownerNow(page);
  }

  #ownerNow(page: number): string {
    return this.#lab.kernel.pages.ownerOf(page) ?? 'nobody';
  }

  #watch({ pages }: Kernel): void {
    const { trace } = this.#lab.machine;
    const alloc = pages.alloc.bind(pages);
    const free = pages.free.bind(pages);
    const note = (address: number, count: number, before: (page: number) => string): void => {
      for (let i = 0; i < count; i++) {
        const page = address + i * PAGE;
        this.#changes.push({ seq: trace.head, page, before: before(page) });
      }
    };
    pages.alloc = (count, request) => {
      const address = alloc(count, request);
      if (address >= 0) {
        note(address, count, () => 'nobody');
      }
      return address;
    };
    pages.free = (address) => {
      const owner = this.#ownerNow(address);
      let count = 0;
      while (this.#ownerNow(address + count * PAGE) === owner && count < 65_536) {
        count += 1;
      }
      free(address);
      while (count > 0 && this.#ownerNow(address + (count - 1) * PAGE) !== 'nobody') {
        count -= 1;
      }
      note(address, count, () => owner);
    };
  }
}
