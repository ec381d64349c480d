/**
 * How a page finds its host. In Electron the preload script exposes `window.siovLab`; calling
 * `connect()` makes the host answer with a window message that carries a MessagePort. In a browser
 * the page opens a WebSocket at `WEB_SOCKET_PATH` of its own origin, with a tab id of its own.
 */
export const BRIDGE_NAME = 'siovLab';
export const PORT_MESSAGE = 'siov-lab:port';
export const WEB_SOCKET_PATH = '/rpc';
/** Query parameter with the tab's id: a reload of the same tab finds its session again. */
export const TAB_PARAM = 'tab';

/** What the preload script exposes, and nothing else. */
export interface HostBridge {
  /** Asks for a port; it arrives as a window message whose data is `PORT_MESSAGE`. */
  connect(): void;
  /** Menu commands of the host, by name; the listener stays for the life of the page. */
  onMenu(listener: (command: MenuCommand) => void): void;
}

export const MENU_COMMANDS = [
  'file.home',
  'file.save',
  'run.start',
  'run.pause',
  'run.stop',
  'run.step-over',
  'run.step-into',
  'run.step-out',
  'run.step-back',
  'view.command-palette',
  'view.next-theme',
  'view.reset-layout',
  'help.shortcuts',
  'help.about',
] as const;

export type MenuCommand = (typeof MENU_COMMANDS)[number];

/** Between the preload script and Electron's main process; nobody else sends or hears these. */
export const IPC_CHANNEL = {
  connect: 'siov-lab:connect',
  port: PORT_MESSAGE,
  menu: 'siov-lab:menu',
} as const;
