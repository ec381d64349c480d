import { BrowserWindow, nativeTheme, screen } from 'electron';
import { PAGE_URL } from './page-scheme.ts';
import type { WindowBounds } from './window-bounds.ts';
import { loadBounds, saveBounds } from './window-bounds.ts';

const DEFAULT_SIZE = { width: 1440, height: 900 };
const MINIMUM_SIZE = { minWidth: 960, minHeight: 600 };
/** Shown until the page has painted; close to the page's own grounds. */
const GROUND = { dark: '#14171c', light: '#f7f8fa' };

export interface WindowOptions {
  readonly home: string;
  readonly preload: string;
  readonly icon: string;
}

export function createMainWindow({ home, preload, icon }: WindowOptions): BrowserWindow {
  const displays = screen.getAllDisplays().map((display) => display.workArea);
  const bounds = loadBounds(home, displays);
  const window = new BrowserWindow({
    ...DEFAULT_SIZE,
    ...(bounds === null ? {} : placeOf(bounds)),
    ...MINIMUM_SIZE,
    icon,
    title: 'S-IOV Lab',
    show: false,
    backgroundColor: nativeTheme.shouldUseDarkColors ? GROUND.dark : GROUND.light,
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webviewTag: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      navigateOnDragDrop: false,
      spellcheck: false,
    },
  });
  if (bounds?.isMaximized === true) window.maximize();
  window.once('ready-to-show', () => window.show());
  window.on('close', () => {
    saveBounds(home, { ...window.getNormalBounds(), isMaximized: window.isMaximized() });
  });
  return window;
}

export async function showPage(window: BrowserWindow): Promise<void> {
  await window.loadURL(PAGE_URL);
}

function placeOf({ x, y, width, height }: WindowBounds): Omit<WindowBounds, 'isMaximized'> {
  return { x, y, width, height };
}
