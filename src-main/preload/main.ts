/**
 * The only code that stands between the page and Electron. It exposes `HostBridge` and nothing else:
 * no channel name, no generic send, no Electron object reaches the page.
 */
import { contextBridge, ipcRenderer } from 'electron';
import type { HostBridge, MenuCommand } from '../protocol/bridge.ts';
import { BRIDGE_NAME, IPC_CHANNEL, MENU_COMMANDS, PORT_MESSAGE } from '../protocol/bridge.ts';

function isMenuCommand(value: unknown): value is MenuCommand {
  return (MENU_COMMANDS as readonly unknown[]).includes(value);
}

// A MessagePort cannot cross the context bridge; it can travel with a message to the same window.
ipcRenderer.on(IPC_CHANNEL.port, (event) => {
  window.postMessage(PORT_MESSAGE, window.location.origin, [...event.ports]);
});

const bridge: HostBridge = {
  connect: () => ipcRenderer.send(IPC_CHANNEL.connect),
  onMenu: (listener) => {
    ipcRenderer.on(IPC_CHANNEL.menu, (_event, command: unknown) => {
      if (isMenuCommand(command)) listener(command);
    });
  },
};

contextBridge.exposeInMainWorld(BRIDGE_NAME, bridge);
