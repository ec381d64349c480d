/**
 * The only module that touches `ipcMain`. One message is known: a page asks for its port. It must come
 * from the main frame of our window, show our page, and carry nothing.
 */
import { MessageChannelMain, ipcMain } from 'electron';
import type { BrowserWindow, IpcMainEvent, MessagePortMain } from 'electron';
import * as v from 'valibot';
import { IPC_CHANNEL } from '../../protocol/bridge.ts';
import type { MenuCommand } from '../../protocol/bridge.ts';
import type { Channel } from '../../protocol/channel.ts';
import { createChannelEnd } from '../../protocol/channel.ts';
import type { Log } from '../log/log.ts';
import { isPageUrl } from './page-scheme.ts';

const NoArguments = v.strictTuple([]);

export interface IpcGatewayOptions {
  readonly window: BrowserWindow;
  readonly log: Log;
  /** A page has its port; messages of the page wait in the channel until it is listened to. */
  readonly onConnect: (channel: Channel) => void;
}

export function setupIpcGateway({ window, log, onConnect }: IpcGatewayOptions): void {
  const onRequest = (event: IpcMainEvent, ...values: readonly unknown[]): void => {
    const problem = problemOf(event, values, window);
    if (problem !== null) {
      log.warn(`Refused a connection: ${problem}`);
      return;
    }
    const { port1, port2 } = new MessageChannelMain();
    onConnect(channelOverMainPort(port1));
    event.senderFrame?.postMessage(IPC_CHANNEL.port, null, [port2]);
  };
  ipcMain.on(IPC_CHANNEL.connect, onRequest);
  window.on('closed', () => ipcMain.off(IPC_CHANNEL.connect, onRequest));
}

/** Sends a menu command to the page. */
export function sendMenuCommand(window: BrowserWindow, command: MenuCommand): void {
  if (!window.isDestroyed()) window.webContents.send(IPC_CHANNEL.menu, command);
}

function problemOf(
  { sender, senderFrame }: IpcMainEvent,
  values: readonly unknown[],
  window: BrowserWindow,
): string | null {
  if (window.isDestroyed() || sender !== window.webContents) return 'not from our window';
  if (senderFrame === null || senderFrame !== window.webContents.mainFrame) {
    return 'not from the main frame';
  }
  if (!isPageUrl(senderFrame.url)) return `from ${senderFrame.url}`;
  if (!v.is(NoArguments, values)) return 'with arguments that nobody sends';
  return null;
}

function channelOverMainPort(port: MessagePortMain): Channel {
  const end = createChannelEnd({
    send: (message) => port.postMessage(message),
    close: () => port.close(),
  });
  port.on('message', (event) => end.deliver(event.data));
  port.on('close', () => end.finish());
  port.start();
  return end.channel;
}
