/**
 * Rows of a long filtered trace, fetched in pages around what is visible. One request is out at a time; pages that
 * scrolled away before their turn are dropped.
 */
import { computed, shallowRef, type ComputedRef, type ShallowRef } from 'vue';
import type { LabClient } from '../api/lab-client.ts';
import { isConnectionLost, isTransient } from '../api/lab-client.ts';
import type { TraceFilter, TraceRow } from '../../src-main/protocol/lab-api.ts';

const PAGE_ROWS = 200;
const MAX_PAGES = 60;
/** While a run streams, rows are asked for at most this often. */
const REFRESH_GAP_MS = 100;

export interface TracePager {
  /** Rows that match the filter, as far as known. */
  readonly total: Readonly<ShallowRef<number>>;
  readonly isLoading: ComputedRef<boolean>;
  readonly error: Readonly<ShallowRef<string | null>>;
  /** Undefined while the row is on its way; reading it does not ask for it. */
  rowAt(index: number): TraceRow | undefined;
  /** Tells which rows are on screen; missing ones are fetched. */
  show(from: number, to: number): void;
  /** Nothing is on screen: nothing is fetched until the next `show`. */
  hide(): void;
  setFilter(filter: TraceFilter): void;
  /** The trace grew or was rewritten. */
  refresh(isRewritten: boolean): void;
}

export function createTracePager(client: LabClient): TracePager {
  const total = shallowRef(0);
  const error = shallowRef<string | null>(null);
  const pages = shallowRef<ReadonlyMap<number, readonly TraceRow[]>>(new Map());
  const outstanding = shallowRef(0);
  let filter: TraceFilter = {};
  let visible = { from: 0, to: 0 };
  /** Answers of an older epoch belong to another filter or another run. */
  let epoch = 0;
  let stale = new Set<number>();
  let isShown = false;
  let isBusy = false;
  let mustCount = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function nextPage(): number | null {
    const first = Math.floor(visible.from / PAGE_ROWS);
    const last = Math.floor(Math.max(visible.from, visible.to - 1) / PAGE_ROWS);
    for (let page = first; page <= last; page += 1) {
      const isPresent = pages.value.has(page) && !stale.has(page);
      if (!isPresent && (page === 0 || page * PAGE_ROWS < total.value)) return page;
    }
    return mustCount ? first : null;
  }

  function keep(page: number, rows: readonly TraceRow[]): void {
    const next = new Map(pages.value);
    next.delete(page);
    next.set(page, rows);
    for (const old of next.keys()) {
      if (next.size <= MAX_PAGES) break;
      if (old !== page) next.delete(old);
    }
    stale.delete(page);
    pages.value = next;
  }

  async function fetchPage(page: number): Promise<void> {
    const asked = epoch;
    mustCount = false;
    outstanding.value += 1;
    try {
      const from = page * PAGE_ROWS;
      const answer = await client.call('trace.page', { filter, from, count: PAGE_ROWS });
      if (asked !== epoch) return;
      error.value = null;
      total.value = answer.total;
      keep(page, answer.rows);
    } catch (cause) {
      if (asked !== epoch || isTransient(cause) || isConnectionLost(cause)) return;
      error.value = cause instanceof Error ? cause.message : String(cause);
      keep(page, []);
    } finally {
      outstanding.value -= 1;
    }
  }

  async function pump(): Promise<void> {
    if (isBusy || !isShown) return;
    isBusy = true;
    const limit = { fetches: 8 };
    try {
      for (let page = nextPage(); page !== null && limit.fetches > 0; page = nextPage()) {
        limit.fetches -= 1;
        await fetchPage(page);
      }
    } finally {
      isBusy = false;
    }
  }

  function pumpLater(): void {
    timer = undefined;
    void pump();
  }

  function forget(): void {
    epoch += 1;
    pages.value = new Map();
    stale = new Set();
    total.value = 0;
    error.value = null;
    mustCount = true;
  }

  return {
    total,
    error,
    isLoading: computed(() => outstanding.value > 0),
    rowAt: (index) => pages.value.get(Math.floor(index / PAGE_ROWS))?.[index % PAGE_ROWS],
    show: (from, to) => {
      visible = { from, to };
      isShown = true;
      void pump();
    },
    hide: () => {
      isShown = false;
      clearTimeout(timer);
      timer = undefined;
    },
    setFilter: (next) => {
      filter = next;
      forget();
      void pump();
    },
    refresh: (isRewritten) => {
      if (isRewritten) forget();
      // Complete pages of an append-only trace never change; the last one may have grown.
      else for (const [page, rows] of pages.value) if (rows.length < PAGE_ROWS) stale.add(page);
      mustCount = true;
      if (isRewritten) void pump();
      else if (isShown) timer ??= setTimeout(pumpLater, REFRESH_GAP_MS);
    },
  };
}
