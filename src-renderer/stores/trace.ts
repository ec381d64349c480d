import { defineStore } from 'pinia';
import { computed, markRaw, shallowRef, watch } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { TraceRecordView, WhyView } from '../../src-main/protocol/lab-api.ts';
import { parseTraceFilter } from '../format/trace-filter.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';
import { createTracePager } from './trace-pager.ts';

const FILTER_DELAY_MS = 150;

/** The event log: filter, rows, the record in detail, and the causal chain of one event. */
export const useTraceStore = defineStore('trace', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const pager = markRaw(createTracePager(client));
  const filterText = shallowRef('');
  /** Follow the head while the run goes on. */
  const isFollowing = shallowRef(true);
  const record = shallowRef<TraceRecordView | null>(null);
  const why = shallowRef<WhyView | null>(null);
  const isAskingWhy = shallowRef(false);

  const parsed = computed(() => parseTraceFilter(filterText.value));
  const filter = computed(() => parsed.value.filter);
  let timer: ReturnType<typeof setTimeout> | undefined;

  watch(filter, (next, before) => {
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    clearTimeout(timer);
    timer = setTimeout(() => pager.setFilter(next), FILTER_DELAY_MS);
  });

  async function showRecord(event: number): Promise<void> {
    try {
      record.value = await client.call('trace.record', { event });
    } catch (error) {
      notices.addError(translate('notice.record'), error);
    }
  }

  /** Position of an event under the current filter, null when it does not match. */
  async function locate(event: number): Promise<number | null> {
    try {
      const { index } = await client.call('trace.locate', { filter: filter.value, event });
      return index < 0 ? null : index;
    } catch {
      return null;
    }
  }

  /** The newest event of a kind, null when there is none. */
  async function lastOfKind(kind: string): Promise<number | null> {
    try {
      const kinds = { kinds: [kind] };
      const { total } = await client.call('trace.page', { filter: kinds, from: 0, count: 1 });
      if (total === 0) return null;
      const last = { filter: kinds, from: total - 1, count: 1 };
      const { rows } = await client.call('trace.page', last);
      return rows[0]?.seq ?? null;
    } catch (error) {
      notices.addError(translate('notice.record'), error);
      return null;
    }
  }

  async function askWhy(event: number): Promise<boolean> {
    isAskingWhy.value = true;
    try {
      why.value = await client.call('trace.why', { event });
      return true;
    } catch (error) {
      notices.addError(translate('notice.why'), error);
      return false;
    } finally {
      isAskingWhy.value = false;
    }
  }

  /** A new run: records and chains of the old one mean nothing any more. */
  function forgetRun(): void {
    record.value = null;
    why.value = null;
    isFollowing.value = true;
    pager.refresh(true);
  }

  function reset(): void {
    clearTimeout(timer);
    filterText.value = '';
    pager.setFilter({});
    forgetRun();
  }

  return {
    pager,
    filterText,
    parsed,
    filter,
    isFollowing,
    record,
    why,
    isAskingWhy,
    showRecord,
    locate,
    lastOfKind,
    askWhy,
    forgetRun,
    reset,
  };
});
