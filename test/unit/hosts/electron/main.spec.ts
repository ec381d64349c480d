import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FakeElectron } from './support/fake-electron.ts';
import { FakeWindow } from './support/fake-electron.ts';

const electron = await vi.hoisted(async (): Promise<FakeElectron> => {
  const { createFakeElectron } = await import('./support/fake-electron.ts');
  return createFakeElectron();
});
const supervisor = vi.hoisted(() => ({
  attach: vi.fn(),
  dispose: vi.fn(() => Promise.resolve()),
}));
vi.mock('electron', () => electron);
vi.mock('../../../../src-main/hosts/machine/machine-supervisor.ts', () => ({
  createMachineSupervisor: () => supervisor,
}));

describe('Electron host', () => {
  let home = '';
  let window: FakeWindow;
  let paths: readonly unknown[] = [];

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'siov-electron-'));
    vi.stubEnv('SIOV_LAB_HOME', home);
    await import('../../../../src-main/hosts/electron/main.ts');
    window = await vi.waitFor(() => FakeWindow.created[0] ?? expect.fail('no window'));
    await vi.waitFor(() => expect(electron.app.listenerCount('second-instance')).toBe(1));
    paths = electron.app.setPath.mock.calls;
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    process.removeAllListeners('uncaughtException');
    await rm(home, { recursive: true });
  });

  it('registers its scheme and the sandbox before it is ready', () => {
    expect(electron.app.calls).toEqual(['registerScheme', 'enableSandbox', 'ready']);
  });

  it("keeps Chromium's files beside the learner's", () => {
    expect(paths).toEqual([['userData', path.join(home, 'electron')]]);
  });

  it('locks down before the window opens', () => {
    const { defaultSession } = electron.session;
    expect(defaultSession.permissionRequest).not.toBeNull();
    expect(defaultSession.beforeRequest).not.toBeNull();
    expect(defaultSession.schemes.has('app')).toBe(true);
    expect(electron.app.listenerCount('web-contents-created')).toBe(1);
  });

  it('connects its page to the machine', () => {
    electron.ipcMain.emit('siov-lab:connect', {
      sender: window.webContents,
      senderFrame: window.webContents.mainFrame,
    });
    expect(supervisor.attach).toHaveBeenCalledOnce();
  });

  it('brings its window to the front when started again', () => {
    window.minimized = true;
    electron.app.emit('second-instance');
    expect(window.restore).toHaveBeenCalled();
    expect(window.focus).toHaveBeenCalled();
  });

  it('logs to a file of its own', async () => {
    const text = await readFile(path.join(home, 'logs/electron.log'), 'utf8');
    expect(text).toContain('Started version');
  });

  it('ends the machine with the window, and the app with its last window', () => {
    window.isGone = true;
    window.emit('closed');
    expect(supervisor.dispose).toHaveBeenCalledOnce();
    electron.app.emit('window-all-closed');
    expect(electron.app.quit).toHaveBeenCalled();
  });
});
