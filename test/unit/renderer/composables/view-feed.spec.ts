import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError, RPC_ERROR } from '../../../../src-main/protocol/app-error.ts';
import type { ViewModel } from '../../../../src-main/protocol/views.ts';
import { createViewFeed } from '../../../../src-renderer/composables/view-feed.ts';
import { FakeLabClient } from '../../../support/fake-lab-client.ts';
import { fakeView } from '../../../support/fake-lab/views.ts';
import { settle } from '../support/render.ts';

describe('view feed', () => {
  let client: FakeLabClient;
  let waiting: ((model?: ViewModel) => void)[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    client = new FakeLabClient();
    waiting = [];
  });
  afterEach(() => void vi.useRealTimers());

  function hold(): void {
    client.override(
      'view.get',
      ({ view, params }) =>
        new Promise((resolve) => {
          waiting.push((model) => resolve(model ?? fakeView(view, params)));
        }),
    );
  }

  const asked = (): readonly unknown[] => client.callsOf('view.get').map((call) => call.params);

  it('asks only when the pane can be seen', async () => {
    const feed = createViewFeed(client, 'iotlb', {});
    feed.invalidate(0);
    await settle();
    expect(asked()).toEqual([]);
    feed.setVisible(true);
    await settle();
    expect(asked()).toHaveLength(1);
    expect(feed.model.value?.view).toBe('iotlb');
    feed.setVisible(false);
    feed.invalidate(0);
    await settle();
    expect(asked()).toHaveLength(1);
    feed.setVisible(true);
    await settle();
    expect(asked()).toHaveLength(2);
  });

  it('has one request out, however often the instant changes', async () => {
    hold();
    const feed = createViewFeed(client, 'iotlb', {});
    feed.setVisible(true);
    await settle();
    for (let change = 0; change < 20; change += 1) feed.invalidate(0);
    await settle();
    expect(asked()).toHaveLength(1);
    waiting.shift()?.();
    await settle();
    expect(asked()).toHaveLength(2);
    waiting.shift()?.();
    await settle();
    expect(asked()).toHaveLength(2);
    expect(feed.isStale.value).toBe(false);
  });

  it('drops an answer about an object that is no longer asked for', async () => {
    hold();
    const feed = createViewFeed(client, 'pasid-table', { pasid: 1 });
    feed.setVisible(true);
    await settle();
    feed.setParams({ pasid: 2 });
    waiting.shift()?.({ view: 'pasid-table', title: 'of PASID 1', sections: [] });
    await settle();
    expect(feed.model.value).toBeNull();
    waiting.shift()?.({ view: 'pasid-table', title: 'of PASID 2', sections: [] });
    await settle();
    expect(feed.model.value?.title).toBe('of PASID 2');
    expect(asked()).toEqual([{ pasid: 1 }, { pasid: 2 }]);
  });

  it('shows an older instant of the same object rather than nothing', async () => {
    hold();
    const feed = createViewFeed(client, 'iotlb', {});
    feed.setVisible(true);
    await settle();
    feed.invalidate(0);
    waiting.shift()?.({ view: 'iotlb', title: 'a moment ago', sections: [] });
    await settle();
    expect(feed.model.value?.title).toBe('a moment ago');
    expect(feed.isStale.value).toBe(true);
  });

  it('spaces requests out while a run streams', async () => {
    const feed = createViewFeed(client, 'iotlb', {});
    feed.setVisible(true);
    await settle();
    feed.invalidate(120);
    await settle();
    expect(asked()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(60);
    feed.invalidate(120);
    expect(asked()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(60);
    expect(asked()).toHaveLength(2);
  });

  it('explains a refusal and recovers with the next change', async () => {
    client.override('view.get', () => {
      throw new Error('There is no device 6a:01.0');
    });
    const feed = createViewFeed(client, 'pci-config', { rid: '0x6a08' });
    feed.setVisible(true);
    await settle();
    expect(feed.error.value).toBe('There is no device 6a:01.0');
    client.restore('view.get');
    feed.setParams({});
    await settle();
    expect(feed.error.value).toBeNull();
    expect(feed.model.value?.view).toBe('pci-config');
  });

  it('tries again by itself when the engine is busy', async () => {
    client.override('view.get', () => {
      throw new AppError(RPC_ERROR.busy, 'Busy');
    });
    const feed = createViewFeed(client, 'iotlb', {});
    feed.setVisible(true);
    await settle();
    expect(feed.error.value).toBeNull();
    client.restore('view.get');
    await vi.advanceTimersByTimeAsync(300);
    expect(feed.model.value?.view).toBe('iotlb');
  });

  it('asks nothing after it is disposed', async () => {
    const feed = createViewFeed(client, 'iotlb', {});
    feed.setVisible(true);
    await settle();
    feed.dispose();
    feed.invalidate(0);
    await settle();
    expect(asked()).toHaveLength(1);
  });
});
