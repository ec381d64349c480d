import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { BrowserWindow } from 'electron';
import type { Channel } from '../../../../src-main/protocol/channel.ts';
import type { FakeElectron } from './support/fake-electron.ts';
import { FakeMessageChannelMain, FakeWebContents, FakeWindow } from './support/fake-electron.ts';

const electron = await vi.hoisted(async (): Promise<FakeElectron> => {
  const { createFakeElectron } = await import('./support/fake-electron.ts');
  return createFakeElectron();
});
vi.mock('electron', () => electron);
const { sendMenuCommand, setupIpcGateway } =
  await import('../../../../src-main/hosts/electron/ipc-gateway.ts');

describe('ipc gateway', () => {
  let window: FakeWindow;
  let connected: Channel[] = [];
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };

  const request = (event: Readonly<Record<string, unknown>> = {}, ...values: unknown[]): void => {
    const { webContents } = window;
    const honest = { sender: webContents, senderFrame: webContents.mainFrame };
    electron.ipcMain.emit('siov-lab:connect', { ...honest, ...event }, ...values);
  };

  beforeEach(() => {
    vi.clearAllMocks();
    electron.ipcMain.removeAllListeners();
    FakeMessageChannelMain.created.length = 0;
    window = new FakeWindow();
    connected = [];
    setupIpcGateway({
      window: window as unknown as BrowserWindow,
      log,
      onConnect: (channel) => connected.push(channel),
    });
  });

  it('hands a port to our page and connects the other end', () => {
    request();
    const [{ port1, port2 } = expect.fail('no channel')] = FakeMessageChannelMain.created;
    expect(window.webContents.mainFrame.postMessage).toHaveBeenCalledWith('siov-lab:port', null, [
      port2,
    ]);
    expect(connected).toHaveLength(1);
    const seen: unknown[] = [];
    connected[0]!.onMessage((message) => seen.push(message));
    port1.emit('message', { data: { id: 1 } });
    connected[0]!.send({ id: 1, result: 2 });
    expect(seen).toEqual([{ id: 1 }]);
    expect(port1.postMessage).toHaveBeenCalledWith({ id: 1, result: 2 });
    expect(port1.start).toHaveBeenCalled();
  });

  it('tells when the page goes', () => {
    request();
    let isClosed = false;
    connected[0]!.onClose(() => (isClosed = true));
    FakeMessageChannelMain.created[0]!.port1.emit('close');
    expect(isClosed).toBe(true);
  });

  it.each([
    ['another window', { sender: new FakeWebContents() }],
    ['a frame inside the page', { senderFrame: { url: 'app://lab/index.html' } }],
    ['a frame that is gone', { senderFrame: null }],
  ])('refuses a request from %s', (_name, event) => {
    request(event);
    expect(connected).toEqual([]);
    expect(FakeMessageChannelMain.created).toEqual([]);
    expect(log.warn).toHaveBeenCalledOnce();
  });

  it.each([
    'https://evil.example/',
    'file:///etc/passwd',
    'app://evil/index.html',
    'app://lab.evil/index.html',
    'devtools://devtools/bundled/x.html',
    'about:blank',
    '',
  ])('refuses a request when the main frame shows %j', (url) => {
    window.webContents.mainFrame.url = url;
    request();
    expect(connected).toEqual([]);
  });

  it('refuses a request that carries anything', () => {
    request({}, { evil: true });
    expect(connected).toEqual([]);
  });

  it('refuses a request to a window that is gone', () => {
    window.isGone = true;
    request();
    expect(connected).toEqual([]);
  });

  it('hears nothing after the window has closed', () => {
    window.emit('closed');
    expect(electron.ipcMain.listenerCount('siov-lab:connect')).toBe(0);
  });

  it('listens to one channel only', () => {
    expect(electron.ipcMain.eventNames()).toEqual(['siov-lab:connect']);
  });

  it('sends menu commands while there is a window', () => {
    sendMenuCommand(window as unknown as BrowserWindow, 'run.start');
    expect(window.webContents.send).toHaveBeenCalledWith('siov-lab:menu', 'run.start');
    window.isGone = true;
    sendMenuCommand(window as unknown as BrowserWindow, 'run.stop');
    expect(window.webContents.send).toHaveBeenCalledOnce();
  });
});
