import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTracePager } from '../../../../src-renderer/stores/trace-pager.ts';
import { FakeLabClient } from '../../../support/fake-lab-client.ts';
import { fakeTracePage } from '../../../support/fake-lab/trace.ts';
import { settle } from '../support/render.ts';

describe('trace pager', () => {
  let client: FakeLabClient;
  let head = 1_000;

  beforeEach(() => {
    vi.useFakeTimers();
    head = 1_000;
    client = new FakeLabClient();
    client.override('trace.page', ({ filter, from, count }) =>
      fakeTracePage(filter, from, count, head),
    );
  });
  afterEach(() => void vi.useRealTimers());

  const froms = (): readonly number[] => client.callsOf('trace.page').map((call) => call.from);

  it('fetches nothing before something is on screen', async () => {
    const pager = createTracePager(client);
    pager.refresh(true);
    await settle();
    expect(froms()).toEqual([]);
  });

  it('fetches the pages that are on screen, and each once', async () => {
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    expect(pager.total.value).toBe(1_000);
    expect(pager.rowAt(5)?.seq).toBe(5);
    pager.show(390, 420);
    await settle();
    pager.show(395, 425);
    await settle();
    expect(froms()).toEqual([0, 200, 400]);
    expect(pager.rowAt(410)?.seq).toBe(410);
    expect(pager.rowAt(700)).toBeUndefined();
  });

  it('drops pages that scrolled away before their turn', async () => {
    const waiting: (() => void)[] = [];
    client.override(
      'trace.page',
      ({ filter, from, count }) =>
        new Promise((resolve) => {
          waiting.push(() => resolve(fakeTracePage(filter, from, count, head)));
        }),
    );
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    waiting.shift()?.();
    await settle();
    pager.show(200, 230);
    await settle();
    pager.show(400, 430);
    pager.show(800, 830);
    waiting.shift()?.();
    await settle();
    waiting.shift()?.();
    await settle();
    expect(froms()).toEqual([0, 200, 800]);
  });

  it('fetches a page that has grown again, and complete pages never', async () => {
    head = 250;
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    pager.show(200, 230);
    await settle();
    head = 300;
    pager.refresh(false);
    await vi.advanceTimersByTimeAsync(100);
    expect(pager.total.value).toBe(300);
    expect(froms()).toEqual([0, 200, 200]);
    expect(pager.rowAt(260)?.seq).toBe(260);
  });

  it('spaces requests out while the trace grows', async () => {
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    for (let frame = 0; frame < 10; frame += 1) pager.refresh(false);
    await vi.advanceTimersByTimeAsync(100);
    expect(froms()).toHaveLength(2);
  });

  it('ignores answers for an older filter', async () => {
    const waiting: (() => void)[] = [];
    client.override(
      'trace.page',
      ({ filter, from, count }) =>
        new Promise((resolve) => {
          waiting.push(() => resolve(fakeTracePage(filter, from, count, head)));
        }),
    );
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    pager.setFilter({ text: 'fault' });
    waiting.shift()?.();
    await settle();
    expect(pager.total.value).toBe(0);
    waiting.shift()?.();
    await settle();
    expect(pager.rowAt(0)?.kind).toBe('iommu.fault.recorded');
    expect(pager.total.value).toBeLessThan(20);
  });

  it('shows why rows are missing', async () => {
    client.override('trace.page', () => {
      throw new Error('The trace is gone');
    });
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    expect(pager.error.value).toBe('The trace is gone');
    expect(froms()).toHaveLength(1);
  });

  it('forgets everything when a new run rewrites the trace', async () => {
    const pager = createTracePager(client);
    pager.show(0, 30);
    await settle();
    head = 10;
    pager.refresh(true);
    expect(pager.rowAt(5)).toBeUndefined();
    await settle();
    expect(pager.total.value).toBe(10);
  });
});
