import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLabFiles } from '../../src-main/hosts/labs/lab-files.ts';
import type { Channel } from '../../src-main/protocol/channel.ts';
import { labApi, type LabApi, type RunState } from '../../src-main/protocol/lab-api.ts';
import { createRpcServer } from '../../src-main/protocol/rpc-server.ts';
import { loadWasmFromPackage } from '../../src-main/script/wasm-node.ts';
import { createSession } from '../../src-main/services/session.ts';
import { solutionOf } from '../support/lab-package.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { connectInProcess, connectOverSocket, type Connection } from './support/transports.ts';

const LAB = 'find-the-capability';
const FILE = 'find-siov.ts';
const LABS = path.resolve(import.meta.dirname, '../../labs');

/** Serves a session of its own on the channel, over the given storage. */
function serveOver(storage: MemoryStorage): (channel: Channel) => void {
  return (channel) => {
    const server = createRpcServer<LabApi>({
      api: labApi,
      service: {
        handle: (method, params) => session.handle(method, params),
      },
      send: (message) => {
        channel.send(message);
      },
      onBug: (error) => {
        throw error;
      },
    });
    const session = createSession({
      storage,
      labs: createLabFiles(LABS),
      clock: { nowMs: () => 0 },
      control: {
        setRunning: () => undefined,
        poll: () => undefined,
        serveUntil: () => undefined,
        yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
      },
      emit: (event, data) => {
        server.emit(event, data);
      },
      version: '0.0.0',
      loadSandbox: loadWasmFromPackage,
    });
    channel.onMessage((message) => {
      server.receive(message);
    });
  };
}

const TRANSPORTS = {
  'in process': async (s: MemoryStorage) => connectInProcess(labApi, serveOver(s)),
  'over a WebSocket': (s: MemoryStorage) => connectOverSocket(labApi, serveOver(s)),
} as const;

describe.each(Object.entries(TRANSPORTS))('the lab session %s', (_, connect) => {
  let connection: Connection<LabApi> | undefined;
  const storage = new MemoryStorage();

  async function client(): Promise<Connection<LabApi>['client']> {
    connection = await connect(storage);
    return connection.client;
  }

  afterEach(async () => {
    await connection?.close();
    connection = undefined;
  });

  async function runToEnd(lab: Connection<LabApi>['client']): Promise<RunState> {
    const ended = new Promise<RunState>((resolve) => {
      lab.on('run.state', (state) => {
        if (!['running', 'paused'].includes(state.state)) resolve(state);
      });
    });
    await lab.call('run.start', { labId: LAB, mode: 'run', breakpoints: [] });
    return ended;
  }

  it('lists labs with one next step, and opens one without running it', async () => {
    const lab = await client();
    const course = await lab.call('course.get', {});
    expect(course.labs.map((l) => l.id)).toContain(LAB);
    expect(course.nextLabId).toBe(LAB);
    const opened = await lab.call('lab.open', { labId: LAB });
    expect(opened.files.map((f) => f.path)).toEqual([FILE]);
    expect(opened.types.some((t) => t.text.includes('pci_find_ext_capability'))).toBe(true);
    expect((await lab.call('run.state', {})).state).toBe('idle');
  });

  it('opens in Chinese', async () => {
    const lab = await client();
    const opened = await lab.call('lab.open', { labId: LAB, language: 'zh-CN' });
    expect(opened.title).toMatch(/[\u4e00-\u9fff]/);
  });

  it('grades the starter and the solution, and keeps the progress', async () => {
    const lab = await client();
    await lab.call('lab.open', { labId: LAB });
    expect((await runToEnd(lab)).state).toBe('finished');
    const { checks } = await lab.call('checks.get', {});
    const failed = checks.find((c) => c.status === 'fail');
    expect(failed?.message).toContain(failed?.expected ?? '?');
    await lab.call('file.save', { labId: LAB, path: FILE, text: solutionOf(LAB, FILE) });
    await lab.call('lab.open', { labId: LAB });
    await runToEnd(lab);
    const graded = await lab.call('checks.get', {});
    expect(graded.checks.every((c) => c.status === 'pass')).toBe(true);
    const course = await lab.call('course.get', {});
    expect(course.labs.find((l) => l.id === LAB)?.progress.state).toBe('passed');
  });

  it('looks at any instant, and explains a record', async () => {
    const lab = await client();
    await lab.call('lab.open', { labId: LAB });
    await runToEnd(lab);
    const live = await lab.call('timeline.state', {});
    const past = await lab.call('timeline.seek', { at: 40 });
    expect(past.at).toBe(40);
    expect(past.stateHash).not.toBe(live.stateHash);
    expect((await lab.call('timeline.seek', { at: 'head' })).stateHash).toBe(live.stateHash);
    const page = await lab.call('trace.page', {
      filter: { text: 'pci_find_ext_capability' },
      from: 0,
      count: 10,
    });
    expect(page.total).toBeGreaterThan(0);
    const why = await lab.call('trace.why', { event: page.rows.at(-1)?.seq ?? 0 });
    expect(why.links.length).toBeGreaterThan(0);
    const view = await lab.call('view.get', { view: 'pci-config', params: {} });
    expect(view.sections.length).toBeGreaterThan(0);
  });

  it('keeps a history of every file and gives revisions back', async () => {
    const lab = await client();
    await lab.call('lab.open', { labId: LAB });
    await lab.call('file.save', { labId: LAB, path: FILE, text: '// one' });
    await lab.call('file.save', { labId: LAB, path: FILE, text: '// two' });
    const { revisions } = await lab.call('file.history', { labId: LAB, path: FILE });
    const one = revisions[1];
    expect(
      (await lab.call('file.read-revision', { labId: LAB, path: FILE, revision: one?.id ?? '' }))
        .text,
    ).toBe('// one');
    const reset = await lab.call('file.reset', { labId: LAB, path: FILE });
    expect(reset.text).toContain('findSiovDvsec');
  });

  it('answers mistakes with codes and hints', async () => {
    const lab = await client();
    await expect(lab.call('lab.open', { labId: 'find-the-capabilty' })).rejects.toMatchObject({
      code: 'ERR_LAB_NOT_FOUND',
    });
    await expect(
      lab.call('run.start', { labId: LAB, mode: 'run', breakpoints: [] }),
    ).rejects.toMatchObject({ code: 'ERR_NO_LAB' });
    await expect(lab.call('trace.page', { filter: {}, from: -1, count: 1 })).rejects.toMatchObject({
      code: 'ERR_INVALID_PARAMS',
    });
    await lab.call('lab.open', { labId: LAB });
    await expect(lab.call('trace.record', { event: 10_000_000 })).rejects.toMatchObject({
      code: 'ERR_RECORD_NOT_FOUND',
    });
    await expect(
      lab.call('file.save', { labId: LAB, path: 'other.ts', text: '' }),
    ).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });

  it('puts an uncaught error and its callers into the console', async () => {
    const lab = await client();
    const text =
      'function inner(): void {\n  throw new Error("too bad");\n}\nfunction outer(): void {\n  inner();\n}\nouter();\n';
    await lab.call('file.save', { labId: LAB, path: FILE, text });
    await lab.call('lab.open', { labId: LAB });
    expect((await runToEnd(lab)).state).toBe('failed');
    const { lines } = await lab.call('console.get', {});
    expect(lines.map(({ level, text: shown, line }) => [level, shown, line])).toEqual([
      ['error', 'Uncaught Error: too bad', 2],
      ['error', 'called by outer', 5],
      ['error', expect.stringContaining('called by'), 7],
    ]);
  });
});
