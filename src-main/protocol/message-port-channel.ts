import type { Channel } from './channel.ts';
import { createChannelEnd } from './channel.ts';

/** What the message ports of browsers and of Node's worker threads have in common. */
export interface PortLike {
  postMessage(message: unknown): void;
  addEventListener(type: 'message' | 'close', listener: (event: object) => void): void;
  start(): void;
  close(): void;
}

export function channelOverPort(port: PortLike): Channel {
  const end = createChannelEnd({
    send: (message) => port.postMessage(message),
    close: () => port.close(),
  });
  port.addEventListener('message', (event) =>
    end.deliver('data' in event ? event.data : undefined),
  );
  port.addEventListener('close', () => end.finish());
  port.start();
  return end.channel;
}
