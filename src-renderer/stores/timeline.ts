import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { TimelineState } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';

const EMPTY: TimelineState = {
  head: 0,
  tail: 0,
  at: 0,
  timeNs: 0,
  headTimeNs: 0,
  stateHash: '',
  traceHash: '',
  marks: [],
};

type SeekTarget = number | 'head';

function isSameInstant(a: TimelineState, b: TimelineState): boolean {
  return (
    a.at === b.at &&
    a.head === b.head &&
    a.tail === b.tail &&
    a.timeNs === b.timeNs &&
    a.stateHash === b.stateHash &&
    a.traceHash === b.traceHash
  );
}

/** The selected instant. Dragging asks for many instants: one request is out at a time, the newest wish wins. */
export const useTimelineStore = defineStore('timeline', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const timeline = shallowRef<TimelineState>(EMPTY);
  /** Increases with every change, so that watchers need not compare states. */
  const version = shallowRef(0);
  const wish = shallowRef<SeekTarget | null>(null);
  let isSeeking = false;

  const isLive = computed(() => timeline.value.at >= timeline.value.head);
  const isEmpty = computed(() => timeline.value.head === 0);
  /** Where the handle stands: the wish while it is on its way, else the answer. */
  const shownAt = computed(() => {
    if (wish.value === null) return timeline.value.at;
    return wish.value === 'head' ? timeline.value.head : wish.value;
  });

  /** An answer and the event about it tell the same: the second one is no change. */
  function apply(next: TimelineState): void {
    const isChange = !isSameInstant(timeline.value, next);
    timeline.value = next;
    if (isChange) version.value += 1;
  }

  async function load(): Promise<void> {
    apply(await client.call('timeline.state', {}));
  }

  async function seek(at: SeekTarget): Promise<void> {
    wish.value = at;
    if (isSeeking) return;
    isSeeking = true;
    try {
      while (wish.value !== null) {
        const target: SeekTarget = wish.value;
        const next = await client.call('timeline.seek', { at: target });
        apply(next);
        if (wish.value === target) wish.value = null;
      }
    } catch (error) {
      notices.addError(translate('notice.seek'), error);
    } finally {
      wish.value = null;
      isSeeking = false;
    }
  }

  /** Shows the state right after a record. */
  async function seekTo(event: number): Promise<void> {
    await seek(event + 1);
  }

  async function step(by: 'statement' | 'record', direction: 'back' | 'forward'): Promise<void> {
    try {
      apply(await client.call('timeline.step', { by, direction }));
    } catch (error) {
      notices.addError(translate('notice.step'), error);
    }
  }

  function reset(): void {
    timeline.value = EMPTY;
    version.value += 1;
    wish.value = null;
  }

  return {
    timeline,
    version,
    isLive,
    isEmpty,
    shownAt,
    apply,
    load,
    seek,
    seekTo,
    step,
    reset,
  };
});
