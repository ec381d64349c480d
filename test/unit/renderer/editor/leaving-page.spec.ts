import { afterEach, describe, expect, it, vi } from 'vitest';
import { ignoreErrorsOfLeaving } from '../../../../src-renderer/editor/leaving-page.ts';

function failing(): { readonly fail: () => boolean; readonly reports: Event[] } {
  const reports: Event[] = [];
  const worker = ignoreErrorsOfLeaving(new EventTarget());
  worker.addEventListener('error', (event) => reports.push(event));
  return { fail: () => worker.dispatchEvent(new Event('error', { cancelable: true })), reports };
}

describe('errors of workers', () => {
  afterEach(() => {
    dispatchEvent(new Event('pageshow'));
    vi.useRealTimers();
  });

  it('are reported while the page stays', () => {
    const { fail, reports } = failing();
    fail();
    expect(reports).toHaveLength(1);
  });

  it.each(['beforeunload', 'pagehide'])('are dropped after %s', (leaving) => {
    const { fail, reports } = failing();
    dispatchEvent(new Event(leaving));
    expect(fail()).toBe(false);
    expect(reports).toEqual([]);
  });

  it('are reported again when leaving was cancelled', () => {
    vi.useFakeTimers();
    const { fail, reports } = failing();
    dispatchEvent(new Event('beforeunload'));
    vi.runAllTimers();
    fail();
    expect(reports).toHaveLength(1);
  });
});
