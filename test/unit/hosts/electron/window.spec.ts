import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { App, BrowserWindow } from 'electron';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadBounds, saveBounds } from '../../../../src-main/hosts/electron/window-bounds.ts';
import type { FakeElectron, FakeWindow } from './support/fake-electron.ts';

const electron = await vi.hoisted(async (): Promise<FakeElectron> => {
  const { createFakeElectron } = await import('./support/fake-electron.ts');
  return createFakeElectron();
});
vi.mock('electron', () => electron);
const { createMainWindow, showPage } =
  await import('../../../../src-main/hosts/electron/window.ts');
const { setupCrashRecovery } =
  await import('../../../../src-main/hosts/electron/crash-recovery.ts');
const { menuTemplate } = await import('../../../../src-main/hosts/electron/menu.ts');

const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
let home = '';

beforeEach(async () => {
  vi.clearAllMocks();
  home = await mkdtemp(path.join(tmpdir(), 'siov-window-'));
});

afterEach(() => rm(home, { recursive: true }));

const open = (): FakeWindow =>
  createMainWindow({
    home,
    preload: '/app/out/preload/preload.cjs',
    icon: '/app/icon.png',
  }) as unknown as FakeWindow;

describe('main window', () => {
  it('isolates its page', () => {
    expect(open().options['webPreferences']).toMatchObject({
      preload: '/app/out/preload/preload.cjs',
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webviewTag: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
    });
  });

  it('appears when the page has painted, and shows our page only', async () => {
    const window = open();
    expect(window.options['show']).toBe(false);
    window.emit('ready-to-show');
    expect(window.show).toHaveBeenCalled();
    await showPage(window as unknown as BrowserWindow);
    expect(window.loadURL).toHaveBeenCalledWith('app://lab/index.html');
  });

  it('opens where it was closed', async () => {
    open().emit('close');
    expect(JSON.parse(await readFile(path.join(home, 'window.json'), 'utf8'))).toEqual({
      x: 10,
      y: 20,
      width: 1200,
      height: 800,
      isMaximized: false,
    });
    expect(open().options).toMatchObject({ x: 10, y: 20, width: 1200, height: 800 });
  });
});

describe('window bounds', () => {
  const display = { x: 0, y: 0, width: 1920, height: 1080 };
  const bounds = { x: 100, y: 100, width: 1000, height: 700, isMaximized: true };

  it('come back as saved', () => {
    saveBounds(home, bounds);
    expect(loadBounds(home, [display])).toEqual(bounds);
  });

  it.each([
    ['beyond the right edge', { x: 1900 }],
    ['above the top', { y: -40 }],
    ['below the bottom', { y: 1060 }],
    ['left of the left edge', { x: -980 }],
  ])('are forgotten when the window would be %s', (_name, change) => {
    saveBounds(home, { ...bounds, ...change });
    expect(loadBounds(home, [display])).toBeNull();
  });

  it('count on any display', () => {
    saveBounds(home, { ...bounds, x: 2500 });
    expect(loadBounds(home, [display, { ...display, x: 1920 }])?.x).toBe(2500);
  });

  it.each(['', '{', '[]', '{"x":1}', '{"x":0,"y":0,"width":1e9,"height":5,"isMaximized":false}'])(
    'are forgotten when the file says %j',
    async (text) => {
      await writeFile(path.join(home, 'window.json'), text);
      expect(loadBounds(home, [display])).toBeNull();
    },
  );

  it('that cannot be saved are no reason to fail', () => {
    expect(() => saveBounds(path.join(process.execPath, 'x'), bounds)).not.toThrow();
  });
});

describe('crash recovery', () => {
  const setup = (): FakeWindow => {
    electron.app.removeAllListeners();
    const window = open();
    setupCrashRecovery(electron.app as unknown as App, window as unknown as BrowserWindow, log);
    return window;
  };
  const die = (window: FakeWindow, reason = 'crashed'): void => {
    window.webContents.emit('render-process-gone', {}, { reason, exitCode: 5 });
  };

  it('loads a page that died again', () => {
    const window = setup();
    die(window);
    expect(window.webContents.reload).toHaveBeenCalledOnce();
    expect(log.error).toHaveBeenCalledWith('The page died: crashed, code 5');
  });

  it('leaves a page alone that ended by itself, or whose window is gone', () => {
    const window = setup();
    die(window, 'clean-exit');
    window.isGone = true;
    die(window);
    expect(window.webContents.reload).not.toHaveBeenCalled();
  });

  it('gives up on a page that dies again and again, and says what to do', () => {
    const window = setup();
    for (let death = 0; death < 4; death += 1) die(window);
    expect(window.webContents.reload).toHaveBeenCalledTimes(3);
    expect(electron.dialog.showErrorBox).toHaveBeenCalledWith(
      expect.any(String),
      expect.stringContaining('Your files are safe'),
    );
    expect(electron.app.quit).toHaveBeenCalled();
  });
});

describe('menu', () => {
  const sent: string[] = [];
  const template = (isMac: boolean, locale = 'en', hasDevTools = false) =>
    menuTemplate({ isMac, locale, hasDevTools, send: (command) => void sent.push(command) });
  type Item = ReturnType<typeof template>[number];
  const items = (menus: readonly Item[]): Item[] =>
    menus.flatMap((menu) => (Array.isArray(menu.submenu) ? menu.submenu : []));

  it('sends the command of the item that was chosen', () => {
    const stop = items(template(false)).find((item) => item.id === 'run.stop');
    (stop?.click as () => void)();
    expect(sent).toEqual(['run.stop']);
    expect(stop?.accelerator).toBe('Shift+F5');
  });

  it('uses no key twice', () => {
    const keys = items(template(false)).flatMap((item) => item.accelerator ?? []);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThan(5);
  });

  it('offers developer tools only where asked', () => {
    const roles = (hasDevTools: boolean) =>
      items(template(false, 'en', hasDevTools)).map((item) => item.role);
    expect(roles(false)).not.toContain('toggleDevTools');
    expect(roles(true)).toContain('toggleDevTools');
  });

  it('follows the customs of macOS', () => {
    expect(template(true)[0]?.role).toBe('appMenu');
    expect(items(template(true)).map((item) => item.role)).not.toContain('quit');
    expect(items(template(false)).map((item) => item.role)).toContain('quit');
  });

  it('speaks Chinese on a Chinese system', () => {
    expect(template(false, 'zh-CN').map((menu) => menu.label)).toContain('运行(&R)');
  });
});
