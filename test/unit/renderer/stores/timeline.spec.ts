import { beforeEach, describe, expect, it } from 'vitest';
import type { TimelineState } from '../../../../src-main/protocol/lab-api.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { useTimelineStore } from '../../../../src-renderer/stores/timeline.ts';
import { createTestBed, settle, type TestBed } from '../support/render.ts';

const STATE: TimelineState = {
  head: 100,
  tail: 0,
  at: 100,
  timeNs: 1,
  headTimeNs: 1,
  stateHash: '',
  traceHash: '',
  marks: [],
};

describe('timeline store', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = createTestBed();
  });

  it('has one seek under way and skips instants that are already past', async () => {
    const waiting: (() => void)[] = [];
    bed.client.override(
      'timeline.seek',
      ({ at }) =>
        new Promise((resolve) => {
          waiting.push(() => resolve({ ...STATE, at: at === 'head' ? 100 : at }));
        }),
    );
    const timeline = useTimelineStore();
    timeline.apply(STATE);
    void timeline.seek(10);
    void timeline.seek(20);
    void timeline.seek(30);
    await settle();
    expect(waiting).toHaveLength(1);
    expect(timeline.shownAt).toBe(30);

    waiting.shift()?.();
    await settle();
    waiting.shift()?.();
    await settle();
    expect(bed.client.callsOf('timeline.seek').map((call) => call.at)).toEqual([10, 30]);
    expect(timeline.timeline.at).toBe(30);
    expect(timeline.isLive).toBe(false);
  });

  it('shows the state right after an event', async () => {
    const timeline = useTimelineStore();
    await timeline.seekTo(41);
    expect(bed.client.callsOf('timeline.seek')).toEqual([{ at: 42 }]);
  });

  it('explains an instant that cannot be shown and gives the handle back', async () => {
    bed.client.override('timeline.seek', () => {
      throw new Error('Record 5 is no longer kept');
    });
    const timeline = useTimelineStore();
    timeline.apply(STATE);
    await timeline.seek(5);
    expect(useNoticesStore().notices[0]?.text).toContain('no longer kept');
    expect(timeline.shownAt).toBe(100);
  });
});
