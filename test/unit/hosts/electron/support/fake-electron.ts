/** A stand-in for the `electron` module: records what is set up and lets tests fire the events. */
import { EventEmitter } from 'node:events';
import { vi } from 'vitest';

type Handler = (...args: readonly never[]) => unknown;

export class FakeWebContents extends EventEmitter {
  readonly mainFrame = { url: 'app://lab/index.html', postMessage: vi.fn() };
  openHandler: ((details: { url: string }) => { action: string }) | null = null;
  readonly send = vi.fn();
  readonly reload = vi.fn();
  readonly setWindowOpenHandler = vi.fn((handler: typeof this.openHandler) => {
    this.openHandler = handler;
  });
  getURL = (): string => this.mainFrame.url;
}

export class FakeWindow extends EventEmitter {
  static readonly created: FakeWindow[] = [];
  readonly webContents = new FakeWebContents();
  readonly show = vi.fn();
  readonly focus = vi.fn();
  readonly restore = vi.fn();
  readonly maximize = vi.fn();
  readonly loadURL = vi.fn(() => Promise.resolve());
  readonly options: Readonly<Record<string, unknown>>;
  isGone = false;
  minimized = false;

  constructor(options: Readonly<Record<string, unknown>> = {}) {
    super();
    this.options = options;
    FakeWindow.created.push(this);
  }

  isDestroyed = (): boolean => this.isGone;
  isMinimized = (): boolean => this.minimized;
  isMaximized = (): boolean => false;
  getNormalBounds = () => ({ x: 10, y: 20, width: 1200, height: 800 });
}

export class FakePort extends EventEmitter {
  readonly postMessage = vi.fn();
  readonly close = vi.fn();
  readonly start = vi.fn();
}

export class FakeMessageChannelMain {
  static readonly created: FakeMessageChannelMain[] = [];
  readonly port1 = new FakePort();
  readonly port2 = new FakePort();

  constructor() {
    FakeMessageChannelMain.created.push(this);
  }
}

export class FakeSession extends EventEmitter {
  permissionRequest: Handler | null = null;
  permissionCheck: Handler | null = null;
  devicePermission: Handler | null = null;
  beforeRequest: Handler | null = null;
  readonly schemes = new Map<string, (request: Request) => Promise<Response>>();

  readonly protocol = {
    handle: (scheme: string, handler: (request: Request) => Promise<Response>): void => {
      this.schemes.set(scheme, handler);
    },
  };
  readonly webRequest = {
    onBeforeRequest: (handler: Handler): void => {
      this.beforeRequest = handler;
    },
  };
  setPermissionRequestHandler = (handler: Handler): void => {
    this.permissionRequest = handler;
  };
  setPermissionCheckHandler = (handler: Handler): void => {
    this.permissionCheck = handler;
  };
  setDevicePermissionHandler = (handler: Handler): void => {
    this.devicePermission = handler;
  };
}

class FakeApp extends EventEmitter {
  isPackaged = false;
  hasLock = true;
  readonly calls: string[] = [];
  readonly quit = vi.fn(() => void this.calls.push('quit'));
  readonly exit = vi.fn();
  readonly setPath = vi.fn();
  enableSandbox = (): void => void this.calls.push('enableSandbox');
  requestSingleInstanceLock = (): boolean => this.hasLock;
  whenReady = async (): Promise<void> => {
    this.calls.push('ready');
    await Promise.resolve();
  };
  getLocale = (): string => 'en-GB';
}

export function createFakeElectron() {
  FakeWindow.created.length = 0;
  FakeMessageChannelMain.created.length = 0;
  const app = new FakeApp();
  const defaultSession = new FakeSession();
  return {
    app,
    BrowserWindow: FakeWindow,
    MessageChannelMain: FakeMessageChannelMain,
    ipcMain: new EventEmitter(),
    session: { defaultSession },
    protocol: {
      registerSchemesAsPrivileged: vi.fn(() => void app.calls.push('registerScheme')),
    },
    Menu: {
      setApplicationMenu: vi.fn(),
      buildFromTemplate: vi.fn((template: unknown) => ({ template })),
    },
    nativeTheme: { shouldUseDarkColors: true },
    screen: {
      getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }],
    },
    dialog: { showErrorBox: vi.fn() },
  };
}

export type FakeElectron = ReturnType<typeof createFakeElectron>;
