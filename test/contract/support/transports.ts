/** The transports of LabApi, each as a way to connect a client of any API to a server of it. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { MessageChannel, Worker } from 'node:worker_threads';
import { WebSocketServer } from 'ws';
import type { Channel } from '../../../src-main/protocol/channel.ts';
import { createChannelPair } from '../../../src-main/protocol/channel.ts';
import type { ApiSpec } from '../../../src-main/protocol/define-api.ts';
import { channelOverPort } from '../../../src-main/protocol/message-port-channel.ts';
import type { RpcClient } from '../../../src-main/protocol/rpc-client.ts';
import { createRpcClient } from '../../../src-main/protocol/rpc-client.ts';
import { channelOverSocket } from '../../../src-main/protocol/web-socket-channel.ts';

export interface Connection<A extends ApiSpec> {
  readonly client: RpcClient<A>;
  /** Ends the serving side, as a crash or a closed window does. */
  dropServer(): Promise<void>;
  close(): Promise<void>;
}

type Serve = (channel: Channel) => unknown;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const disconnected = (client: RpcClient<never>): Promise<void> =>
  new Promise((resolve) => {
    client.onDisconnect(resolve);
  });

export function connectInProcess<A extends ApiSpec>(api: A, serve: Serve): Connection<A> {
  const [near, far] = createChannelPair();
  serve(far);
  const client = createRpcClient(api, near);
  return {
    client,
    dropServer: async () => {
      far.close();
      await nextTurn();
    },
    close: async () => {
      client.dispose();
      await nextTurn();
    },
  };
}

/** `entry` is a worker that serves on the port in its `workerData`. */
export function connectToWorker<A extends ApiSpec>(api: A, entry: URL): Connection<A> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(entry, { workerData: port2, transferList: [port2] });
  const client = createRpcClient(api, channelOverPort(port1));
  return {
    client,
    dropServer: async () => {
      const closed = disconnected(client);
      await worker.terminate();
      await closed;
    },
    close: async () => {
      client.dispose();
      await worker.terminate();
    },
  };
}

export async function connectOverSocket<A extends ApiSpec>(
  api: A,
  serve: Serve,
): Promise<Connection<A>> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => serve(channelOverSocket(socket)));
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The global WebSocket is the browser's class: the page uses the very same calls.
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const client = createRpcClient(api, channelOverSocket(socket));
  const dropAll = (): void => {
    for (const peer of server.clients) peer.terminate();
  };
  return {
    client,
    dropServer: async () => {
      const closed = disconnected(client);
      dropAll();
      await closed;
    },
    close: async () => {
      client.dispose();
      dropAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
