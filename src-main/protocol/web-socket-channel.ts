import type { Channel } from './channel.ts';
import { createChannelEnd } from './channel.ts';
import { decodeWire, encodeWire } from './wire.ts';

/** What the browser's WebSocket and the `ws` package have in common. */
export interface SocketLike {
  binaryType: 'arraybuffer' | 'blob' | 'nodebuffer' | 'fragments';
  readonly readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(
    type: 'open' | 'message' | 'close' | 'error',
    listener: (event: object) => void,
  ): void;
}

const CONNECTING = 0;
/** RFC 6455 section 7.4.1: the peer sent data that does not follow the agreed format. */
const CLOSE_INVALID_DATA = 1007;

/** Frames that do not decode close the socket: the peer is not speaking this protocol. */
export function channelOverSocket(socket: SocketLike): Channel {
  const waiting: unknown[] = [];
  socket.binaryType = 'arraybuffer';
  const end = createChannelEnd({
    send: (message) => {
      if (socket.readyState === CONNECTING) waiting.push(message);
      else socket.send(encodeWire(message));
    },
    close: () => socket.close(),
  });

  socket.addEventListener('open', () => {
    for (const message of waiting.splice(0)) socket.send(encodeWire(message));
  });
  socket.addEventListener('message', (event) => {
    const data = 'data' in event ? event.data : undefined;
    const frame = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    if (typeof frame !== 'string' && !(frame instanceof Uint8Array)) return;
    let message: unknown;
    try {
      message = decodeWire(frame);
    } catch {
      socket.close(CLOSE_INVALID_DATA, 'Frame does not decode');
      return;
    }
    end.deliver(message);
  });
  socket.addEventListener('close', () => end.finish());
  socket.addEventListener('error', () => end.finish());
  return end.channel;
}
