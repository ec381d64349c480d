import { afterEach, describe, expect, it, vi } from 'vitest';
import { BRIDGE_NAME, PORT_MESSAGE } from '../../../../src-main/protocol/bridge.ts';
import { connectToHost, onMenuCommand } from '../../../../src-renderer/api/connect.ts';
import { settle } from '../support/render.ts';

class StubSocket extends EventTarget {
  static opened: StubSocket[] = [];
  binaryType = '';
  readyState = 0;
  readonly url: string;
  readonly sent: unknown[] = [];

  constructor(url: string | URL) {
    super();
    this.url = String(url);
    StubSocket.opened.push(this);
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.dispatchEvent(new Event('close'));
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(window, BRIDGE_NAME);
  StubSocket.opened = [];
});

describe('in a browser', () => {
  it('opens a socket of the same origin, with the id of this tab', async () => {
    sessionStorage.clear();
    vi.stubGlobal('WebSocket', StubSocket);
    const client = connectToHost();
    const [socket] = StubSocket.opened;
    const url = new URL(socket?.url ?? '');
    expect(url.protocol).toBe('ws:');
    expect(url.host).toBe(location.host);
    expect(url.pathname).toBe('/rpc');
    expect(url.searchParams.get('tab')).toBe(sessionStorage.getItem('siov-lab:tab'));

    socket?.open();
    await settle();
    expect(client.connection.state).toBe('open');
    void client.call('app.info', {}).catch(() => undefined);
    await settle();
    expect(socket?.sent).toEqual(['{"id":0,"method":"app.info","params":{}}']);
    client.dispose();
  });

  it('keeps the id of the tab for its next connection', () => {
    vi.stubGlobal('WebSocket', StubSocket);
    connectToHost().dispose();
    connectToHost().dispose();
    const [first, second] = StubSocket.opened.map((socket) => socket.url);
    expect(first).toBe(second);
  });
});

describe('in Electron', () => {
  it('talks over the port that the preload script hands over', async () => {
    const { port1, port2 } = new MessageChannel();
    const listeners: ((command: string) => void)[] = [];
    Object.assign(window, {
      [BRIDGE_NAME]: {
        connect: () => {
          const event = new MessageEvent('message', { data: PORT_MESSAGE });
          Object.defineProperties(event, { source: { value: window }, ports: { value: [port2] } });
          window.dispatchEvent(event);
        },
        onMenu: (listener: (command: string) => void) => void listeners.push(listener),
      },
    });
    port1.addEventListener('message', (event) => {
      const request: unknown = event.data;
      if (typeof request !== 'object' || request === null || !('id' in request)) return;
      port1.postMessage({ id: request.id, result: { version: '3', apiVersion: 1 } });
    });
    port1.start();
    const client = connectToHost();
    await expect(client.call('app.info', {})).resolves.toEqual({ version: '3', apiVersion: 1 });

    const seen: string[] = [];
    onMenuCommand((command) => seen.push(command));
    listeners[0]?.('run.start');
    expect(seen).toEqual(['run.start']);
    client.dispose();
    port1.close();
  });

  it('takes no port from anyone but its own window', async () => {
    Object.assign(window, {
      [BRIDGE_NAME]: { connect: () => undefined, onMenu: () => undefined },
    });
    const client = connectToHost();
    const { port2 } = new MessageChannel();
    const forged = new MessageEvent('message', { data: PORT_MESSAGE });
    Object.defineProperties(forged, { source: { value: null }, ports: { value: [port2] } });
    window.dispatchEvent(forged);
    await settle();
    expect(client.connection.state).toBe('connecting');
    client.dispose();
    port2.close();
  });
});
