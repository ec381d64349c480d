import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../../../src-main/hosts/log/log.ts';
import type { MachineSupervisor } from '../../../../src-main/hosts/machine/machine-supervisor.ts';
import type { SESSION_LIMITS } from '../../../../src-main/hosts/web/sessions.ts';
import { createSessions } from '../../../../src-main/hosts/web/sessions.ts';
import type { Channel } from '../../../../src-main/protocol/channel.ts';
import { createChannelEnd } from '../../../../src-main/protocol/channel.ts';

interface FakeMachine extends MachineSupervisor {
  readonly clients: Channel[];
  isDisposed: boolean;
}

describe('sessions of the web host', () => {
  let machines: FakeMachine[] = [];

  const startMachine = (): FakeMachine => {
    const machine: FakeMachine = {
      clients: [],
      isDisposed: false,
      attach: (channel) => {
        machine.clients.push(channel);
        return { dispose: () => {} };
      },
      dispose: async () => {
        machine.isDisposed = true;
        await Promise.resolve();
      },
    };
    machines.push(machine);
    return machine;
  };
  const create = (limits: Partial<typeof SESSION_LIMITS> = {}) =>
    createSessions({ startMachine, log: silentLog, limits });
  const newChannel = (): Channel => createChannelEnd({ send: () => {}, close: () => {} }).channel;

  beforeEach(() => {
    machines = [];
    vi.useFakeTimers();
  });

  afterEach(() => vi.useRealTimers());

  it('gives each tab a machine of its own', async () => {
    const sessions = create();
    await sessions.attach('a', newChannel());
    await sessions.attach('b', newChannel());
    expect(machines).toHaveLength(2);
  });

  it('gives a reloaded tab its machine back', async () => {
    const sessions = create();
    const before = newChannel();
    await sessions.attach('a', before);
    before.close();
    await sessions.attach('a', newChannel());
    expect(machines).toHaveLength(1);
    expect(machines[0]!.clients).toHaveLength(2);
  });

  it('waits for the old socket of a reloaded tab to close', async () => {
    const sessions = create();
    const before = newChannel();
    await sessions.attach('a', before);
    const attached = sessions.attach('a', newChannel());
    await vi.advanceTimersByTimeAsync(100);
    before.close();
    await vi.advanceTimersByTimeAsync(200);
    expect(await attached).toBe(true);
    expect(machines).toHaveLength(1);
  });

  it('gives a duplicated tab a machine of its own, and leaves the first alone', async () => {
    const sessions = create();
    const first = newChannel();
    let isClosed = false;
    first.onClose(() => (isClosed = true));
    await sessions.attach('a', first);
    const attached = sessions.attach('a', newChannel());
    await vi.advanceTimersByTimeAsync(250);
    expect(await attached).toBe(true);
    expect(machines).toHaveLength(2);
    expect(isClosed).toBe(false);
  });

  it('ends a session whose tab does not come back', async () => {
    const sessions = create({ keepDetachedMs: 1000 });
    const channel = newChannel();
    await sessions.attach('a', channel);
    channel.close();
    await vi.advanceTimersByTimeAsync(999);
    expect(machines[0]!.isDisposed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(machines[0]!.isDisposed).toBe(true);
    expect(sessions.count).toBe(0);
  });

  it('ends no session whose tab came back in time', async () => {
    const sessions = create({ keepDetachedMs: 1000 });
    const channel = newChannel();
    await sessions.attach('a', channel);
    channel.close();
    await sessions.attach('a', newChannel());
    await vi.advanceTimersByTimeAsync(5000);
    expect(machines[0]!.isDisposed).toBe(false);
  });

  it('refuses more sessions than it has room for', async () => {
    const sessions = create({ maxSessions: 2 });
    expect(await sessions.attach('a', newChannel())).toBe(true);
    expect(await sessions.attach('b', newChannel())).toBe(true);
    expect(await sessions.attach('c', newChannel())).toBe(false);
    expect(machines).toHaveLength(2);
  });

  it('makes room by ending the session that was detached longest', async () => {
    const sessions = create({ maxSessions: 2 });
    const [a, b] = [newChannel(), newChannel()];
    await sessions.attach('a', a);
    await sessions.attach('b', b);
    b.close();
    await vi.advanceTimersByTimeAsync(10);
    a.close();
    expect(await sessions.attach('c', newChannel())).toBe(true);
    expect(machines.map((machine) => machine.isDisposed)).toEqual([false, true, false]);
  });

  it('ends all machines in the end', async () => {
    const sessions = create();
    await sessions.attach('a', newChannel());
    await sessions.attach('b', newChannel());
    await sessions.dispose();
    expect(machines.every((machine) => machine.isDisposed)).toBe(true);
  });
});
