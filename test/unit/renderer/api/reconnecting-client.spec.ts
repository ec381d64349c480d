import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createChannelPair, type Channel } from '../../../../src-main/protocol/channel.ts';
import { isConnectionLost } from '../../../../src-renderer/api/lab-client.ts';
import { ReconnectingClient } from '../../../../src-renderer/api/reconnecting-client.ts';
import { settle } from '../support/render.ts';

/** A host that answers every command with its name, and can be cut off. */
class StubHost {
  readonly received: unknown[] = [];
  isReachable = true;
  attempts = 0;
  #end: Channel | null = null;

  readonly open = async (): Promise<Channel> => {
    await Promise.resolve();
    this.attempts += 1;
    if (!this.isReachable) throw new Error('unreachable');
    const [page, host] = createChannelPair();
    this.#end = host;
    host.onMessage((message) => {
      this.received.push(message);
      if (typeof message !== 'object' || message === null || !('id' in message)) return;
      host.send({ id: message.id, result: { version: '9', apiVersion: 1 } });
    });
    return page;
  };

  push(event: string, data: unknown): void {
    this.#end?.send({ event, data });
  }

  cut(): void {
    this.isReachable = false;
    this.#end?.close();
  }
}

describe('ReconnectingClient', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('lets calls wait for the first connection', async () => {
    const host = new StubHost();
    const client = new ReconnectingClient(host.open);
    expect(client.connection.state).toBe('connecting');
    await expect(client.call('app.info', {})).resolves.toEqual({ version: '9', apiVersion: 1 });
    expect(client.connection).toEqual({ state: 'open', attempt: 0, generation: 1 });
    client.dispose();
  });

  it('reports a lost connection, rejects calls, and comes back by itself', async () => {
    const host = new StubHost();
    const client = new ReconnectingClient(host.open);
    await settle();
    const states: string[] = [];
    client.onDidChangeConnection((status) =>
      states.push(`${status.state}${String(status.generation)}`),
    );

    host.cut();
    await settle();
    expect(states).toEqual(['lost1']);
    await expect(client.call('app.info', {})).rejects.toSatisfy(isConnectionLost);

    host.isReachable = true;
    await vi.advanceTimersByTimeAsync(300);
    expect(states.at(-1)).toBe('open2');
    await expect(client.call('app.info', {})).resolves.toMatchObject({ version: '9' });
    client.dispose();
  });

  it('pauses longer with every failed attempt, and at once when asked', async () => {
    const host = new StubHost();
    host.isReachable = false;
    const client = new ReconnectingClient(host.open);
    await vi.advanceTimersByTimeAsync(0);
    expect(host.attempts).toBe(1);
    await vi.advanceTimersByTimeAsync(199);
    expect(host.attempts).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(host.attempts).toBe(2);
    await vi.advanceTimersByTimeAsync(399);
    expect(host.attempts).toBe(2);
    client.reconnect();
    await settle();
    expect(host.attempts).toBe(3);
    client.dispose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(host.attempts).toBe(3);
  });

  it('keeps listeners over a reconnection and lets them go when disposed', async () => {
    const host = new StubHost();
    const client = new ReconnectingClient(host.open);
    const seen: string[] = [];
    const subscription = client.on('session.restarted', ({ message }) => seen.push(message));
    await settle();
    host.push('session.restarted', { message: 'one' });
    await settle();

    host.cut();
    await settle();
    host.isReachable = true;
    await vi.advanceTimersByTimeAsync(1_000);
    host.push('session.restarted', { message: 'two' });
    await settle();
    subscription.dispose();
    host.push('session.restarted', { message: 'three' });
    await settle();
    expect(seen).toEqual(['one', 'two']);
    client.dispose();
  });
});
