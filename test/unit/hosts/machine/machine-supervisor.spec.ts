import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startMachineWorker } from '../../../../src-main/hosts/machine/machine-link.ts';
import type {
  MachineSupervisor,
  SUPERVISOR_TIMING,
} from '../../../../src-main/hosts/machine/machine-supervisor.ts';
import { createMachineSupervisor } from '../../../../src-main/hosts/machine/machine-supervisor.ts';
import type { AppError } from '../../../../src-main/protocol/app-error.ts';
import { createChannelPair } from '../../../../src-main/protocol/channel.ts';
import type { LabApi, RunState } from '../../../../src-main/protocol/lab-api.ts';
import { labApi } from '../../../../src-main/protocol/lab-api.ts';
import type { RpcClient } from '../../../../src-main/protocol/rpc-client.ts';
import { createRpcClient } from '../../../../src-main/protocol/rpc-client.ts';

const folders = { home: '', labs: '', sandboxModule: '', version: '0.0.0' };
/** These hold a promise in real time against a machine that may be busy with other tests. */
const WALL_CLOCK = { retry: 3 };

const entry = new URL('./support/fake-machine.ts', import.meta.url);

describe('machine supervisor', () => {
  let supervisor: MachineSupervisor;
  let client: RpcClient<LabApi>;
  let restarts: string[] = [];
  let started = 0;
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };

  const attach = (): RpcClient<LabApi> => {
    const [near, far] = createChannelPair();
    supervisor.attach(far);
    const attached = createRpcClient(labApi, near);
    attached.on('session.restarted', ({ message }) => restarts.push(message));
    return attached;
  };
  const create = (timing: Partial<typeof SUPERVISOR_TIMING> = {}): void => {
    supervisor = createMachineSupervisor({
      log,
      timing,
      start: (listener) => {
        started += 1;
        return startMachineWorker(entry, folders, listener);
      },
    });
    client = attach();
  };
  const startRun = (behaviour: string): Promise<RunState> =>
    client.call('run.start', { labId: behaviour, mode: 'run', breakpoints: [] });
  const untilRunState = (wanted: RunState['state']): Promise<void> =>
    new Promise((resolve) => {
      const subscription = client.on('run.state', ({ state }) => {
        if (state !== wanted) return;
        subscription.dispose();
        resolve();
      });
    });
  const failure = (promise: Promise<unknown>): Promise<AppError> =>
    promise.then(
      () => expect.fail('Expected a failure, found an answer'),
      (error: unknown) => error as AppError,
    );

  beforeEach(() => {
    restarts = [];
    started = 0;
    vi.clearAllMocks();
  });

  afterEach(() => supervisor.dispose());

  it('passes requests, answers and events through', async () => {
    create();
    const running = untilRunState('running');
    expect((await startRun('finish')).state).toBe('finished');
    await running;
  });

  it('lets a running script be asked and stopped within 200 ms', WALL_CLOCK, async () => {
    create();
    const running = untilRunState('running');
    const run = startRun('polling-loop');
    await running;
    expect((await client.call('run.state', {})).state).toBe('running');
    const asked = performance.now();
    await client.call('run.stop', {});
    expect((await run).state).toBe('stopped');
    expect(performance.now() - asked).toBeLessThan(200);
    expect(restarts).toEqual([]);
  });

  it('answers while paused, stays calm, and goes on after resume', async () => {
    create({ watchIntervalMs: 20, lateWhileRunning: 2, lateWhileBusy: 100 });
    const paused = untilRunState('paused');
    const run = startRun('pause');
    await paused;
    for (let turn = 0; turn < 5; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect((await client.call('run.state', {})).state).toBe('running');
    }
    expect((await failure(client.call('course.get', {}))).code).toBe('ERR_BUSY');
    await client.call('run.resume', {});
    expect((await run).state).toBe('finished');
    expect(restarts).toEqual([]);
  });

  it('stops a paused script', async () => {
    create();
    const paused = untilRunState('paused');
    const run = startRun('pause');
    await paused;
    await client.call('run.stop', {});
    expect((await run).state).toBe('stopped');
    expect(restarts).toEqual([]);
  });

  it(
    'replaces a worker that ignores Stop, tells the client within 200 ms, and answers',
    WALL_CLOCK,
    async () => {
      create();
      await client.call('lab.open', { labId: 'first-pasid' });
      const running = untilRunState('running');
      const run = failure(startRun('native-loop'));
      await running;
      const asked = performance.now();
      const stopped = client.call('run.stop', {});
      const told = new Promise<number>((resolve) => {
        client.on('session.restarted', () => resolve(performance.now() - asked));
      });
      expect(await told).toBeLessThan(200);
      expect((await run).code).toBe('ERR_SESSION_RESTARTED');
      const state = await stopped;
      expect(state.state).toBe('stopped');
      // The fake reports its open lab as message: the new worker was told to open it again.
      expect(state.message).toBe('first-pasid');
      expect(started).toBe(2);
    },
  );

  it('replaces a worker whose script gives no sign of life', async () => {
    create({ watchIntervalMs: 20 });
    const run = failure(startRun('native-loop'));
    expect((await run).code).toBe('ERR_SESSION_RESTARTED');
    expect(restarts).toEqual([
      'The script kept the machine from answering, so the machine was restarted',
    ]);
    expect((await client.call('run.state', {})).state).toBe('running');
  });

  it('gives the engine itself more time, then replaces it too', async () => {
    create({ watchIntervalMs: 20, lateWhileBusy: 25, lateWhileRunning: 2 });
    const asked = performance.now();
    const run = failure(startRun('hang-in-engine'));
    expect((await run).code).toBe('ERR_SESSION_RESTARTED');
    expect(performance.now() - asked).toBeGreaterThan(400);
    expect(restarts).toEqual(['The machine stopped answering and was restarted']);
  });

  it('replaces a worker that dies, and logs why', async () => {
    create();
    expect((await failure(startRun('crash'))).code).toBe('ERR_SESSION_RESTARTED');
    expect(log.error).toHaveBeenCalledWith('Machine worker died: ended with code 7');
    expect((await client.call('run.state', {})).state).toBe('running');
  });

  it('gives up replacing a worker that dies again and again, until asked', async () => {
    create({ crashLimit: 1 });
    await failure(startRun('crash'));
    expect((await failure(startRun('crash'))).code).toBe('ERR_SESSION_LOST');
    expect(started).toBe(2);
    expect((await client.call('run.state', {})).state).toBe('running');
    expect(started).toBe(3);
  });

  it('reports an answer that cannot be sent as a bug', async () => {
    create();
    const save = client.call('file.save', { labId: 'a', path: 'driver.ts', text: '' });
    expect((await failure(save)).code).toBe('ERR_INTERNAL');
    expect((await client.call('run.state', {})).state).toBe('running');
  });

  it('keeps the session for the next client and closes the earlier one', async () => {
    create();
    await client.call('lab.open', { labId: 'kept' });
    let isClosed = false;
    client.onDisconnect(() => (isClosed = true));
    const second = attach();
    expect((await second.call('run.state', {})).message).toBe('kept');
    expect(isClosed).toBe(true);
    expect(started).toBe(1);
  });

  it('drops messages that are no requests', async () => {
    create();
    const [near, far] = createChannelPair();
    supervisor.attach(far);
    near.send({ nonsense: true });
    near.send('text');
    const direct = createRpcClient(labApi, near);
    expect((await direct.call('run.state', {})).state).toBe('running');
    expect(log.warn).toHaveBeenCalledTimes(2);
  });

  it('ends its worker when disposed, even one that hangs', WALL_CLOCK, async () => {
    create();
    const running = untilRunState('running');
    void startRun('native-loop').catch(() => {});
    await running;
    const asked = performance.now();
    await supervisor.dispose();
    expect(performance.now() - asked).toBeLessThan(1500);
    expect(restarts).toEqual([]);
  });
});
