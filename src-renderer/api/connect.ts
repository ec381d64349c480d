/** Picks the transport: the port that Electron's preload script hands over, else a WebSocket of this origin. */
import {
  BRIDGE_NAME,
  PORT_MESSAGE,
  TAB_PARAM,
  WEB_SOCKET_PATH,
  type HostBridge,
  type MenuCommand,
} from '../../src-main/protocol/bridge.ts';
import type { Channel } from '../../src-main/protocol/channel.ts';
import { channelOverPort } from '../../src-main/protocol/message-port-channel.ts';
import { channelOverSocket } from '../../src-main/protocol/web-socket-channel.ts';
import type { LabClient } from './lab-client.ts';
import { isRecord } from './local-store.ts';
import { ReconnectingClient } from './reconnecting-client.ts';

const TAB_KEY = 'siov-lab:tab';

function isHostBridge(value: unknown): value is HostBridge {
  return (
    isRecord(value) && typeof value.connect === 'function' && typeof value.onMenu === 'function'
  );
}

function findBridge(): HostBridge | null {
  const bridge: unknown = Reflect.get(window, BRIDGE_NAME);
  return isHostBridge(bridge) ? bridge : null;
}

/** A reload of the same tab keeps the id, and with it the session; a second tab has its own. */
function tabId(): string {
  try {
    const known = sessionStorage.getItem(TAB_KEY);
    if (known !== null) return known;
    const fresh = crypto.randomUUID();
    sessionStorage.setItem(TAB_KEY, fresh);
    return fresh;
  } catch {
    return crypto.randomUUID();
  }
}

function openSocket(): Promise<Channel> {
  const url = new URL(WEB_SOCKET_PATH, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set(TAB_PARAM, tabId());
  const socket = new WebSocket(url);
  const channel = channelOverSocket(socket);
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(channel));
    socket.addEventListener('close', () => reject(new Error('The host refused the connection')));
  });
}

function openPort(bridge: HostBridge): Promise<Channel> {
  return new Promise((resolve) => {
    const onMessage = (event: MessageEvent): void => {
      const [port] = event.ports;
      if (event.source !== window || event.data !== PORT_MESSAGE || port === undefined) return;
      window.removeEventListener('message', onMessage);
      resolve(channelOverPort(port));
    };
    window.addEventListener('message', onMessage);
    bridge.connect();
  });
}

export function connectToHost(): LabClient {
  const bridge = findBridge();
  const client = new ReconnectingClient(bridge === null ? openSocket : () => openPort(bridge));
  window.addEventListener('online', () => client.reconnect());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') client.reconnect();
  });
  return client;
}

/** Commands of the application menu; a browser has none. */
export function onMenuCommand(listener: (command: MenuCommand) => void): void {
  findBridge()?.onMenu(listener);
}
