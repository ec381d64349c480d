import type { EventEmitter } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HostBridge } from '../../../../src-main/protocol/bridge.ts';
import { channelOverPort } from '../../../../src-main/protocol/message-port-channel.ts';

const electron = await vi.hoisted(async () => {
  const { EventEmitter: Emitter } = await import('node:events');
  return {
    contextBridge: { exposeInMainWorld: vi.fn() },
    ipcRenderer: Object.assign(new Emitter() as EventEmitter, { send: vi.fn() }),
  };
});
vi.mock('electron', () => electron);

describe('preload script', () => {
  const postMessage = vi.fn();
  let exposed: readonly unknown[][] = [];
  let bridge: HostBridge;

  beforeAll(async () => {
    vi.stubGlobal('window', { postMessage, location: { origin: 'app://lab' } });
    await import('../../../../src-main/preload/main.ts');
    exposed = electron.contextBridge.exposeInMainWorld.mock.calls;
    bridge = exposed[0]?.[1] as HostBridge;
  });

  afterAll(() => vi.unstubAllGlobals());

  it('exposes connect and onMenu, and nothing else', () => {
    expect(exposed).toEqual([
      ['siovLab', { connect: expect.any(Function), onMenu: expect.any(Function) }],
    ]);
  });

  it('asks for a port without passing anything on', () => {
    (bridge.connect as (...args: unknown[]) => void)('evil', 'channel');
    expect(electron.ipcRenderer.send.mock.calls).toEqual([['siov-lab:connect']]);
  });

  it('passes the port to the page of its own origin only', () => {
    const { port1, port2 } = new MessageChannel();
    electron.ipcRenderer.emit('siov-lab:port', { ports: [port1] });
    expect(postMessage).toHaveBeenCalledWith('siov-lab:port', 'app://lab', [port1]);
    channelOverPort(port1).close();
    port2.close();
  });

  it('passes on menu commands, and only those that are known', () => {
    const seen: string[] = [];
    bridge.onMenu((command) => seen.push(command));
    electron.ipcRenderer.emit('siov-lab:menu', {}, 'run.start');
    electron.ipcRenderer.emit('siov-lab:menu', {}, 'file.delete-everything');
    electron.ipcRenderer.emit('siov-lab:menu', {}, { toString: () => 'run.start' });
    expect(seen).toEqual(['run.start']);
  });
});
