import { describe, expect, it } from 'vitest';
import type { SocketLike } from '../../../src-main/protocol/web-socket-channel.ts';
import { channelOverSocket } from '../../../src-main/protocol/web-socket-channel.ts';

class FakeSocket implements SocketLike {
  binaryType: SocketLike['binaryType'] = 'blob';
  readyState = 0;
  readonly sent: (string | Uint8Array)[] = [];
  readonly closedWith: (number | undefined)[] = [];
  readonly #listeners = new Map<string, ((event: object) => void)[]>();

  send(data: string | Uint8Array): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    this.closedWith.push(code);
  }

  addEventListener(type: string, listener: (event: object) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  fire(type: string, event: object = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

describe('channelOverSocket', () => {
  it('keeps messages until the socket is open, in order', () => {
    const socket = new FakeSocket();
    const channel = channelOverSocket(socket);
    channel.send({ id: 1 });
    channel.send({ id: 2 });
    expect(socket.sent).toEqual([]);
    socket.readyState = 1;
    socket.fire('open');
    expect(socket.sent).toEqual(['{"id":1}', '{"id":2}']);
  });

  it('asks for array buffers and decodes them', () => {
    const socket = new FakeSocket();
    const seen: unknown[] = [];
    channelOverSocket(socket).onMessage((message) => seen.push(message));
    expect(socket.binaryType).toBe('arraybuffer');
    const json = new TextEncoder().encode('{"v":{"$bytes":0}}');
    const frame = Uint8Array.of(json.length, 0, 0, 0, ...json, 1, 0, 0, 0, 0x5a);
    socket.fire('message', { data: frame.buffer });
    expect(seen).toEqual([{ v: Uint8Array.of(0x5a) }]);
  });

  it('closes with 1007 on a frame that does not decode', () => {
    const socket = new FakeSocket();
    const seen: unknown[] = [];
    channelOverSocket(socket).onMessage((message) => seen.push(message));
    socket.fire('message', { data: '{' });
    expect(socket.closedWith).toEqual([1007]);
    expect(seen).toEqual([]);
  });

  it('tells of the end once, whether by error or by close', () => {
    const socket = new FakeSocket();
    let ends = 0;
    channelOverSocket(socket).onClose(() => (ends += 1));
    socket.fire('error');
    socket.fire('close');
    expect(ends).toBe(1);
  });
});
