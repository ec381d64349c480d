import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { channelOverSocket } from '../../src-main/protocol/web-socket-channel.ts';
import { createRpcClient } from '../../src-main/protocol/rpc-client.ts';
import { fakeApi } from './support/fake-api.ts';
import { describeRpcContract } from './support/rpc-contract.ts';
import { serveFake } from './support/serve-fake.ts';

describeRpcContract('WebSocket', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    serveFake(channelOverSocket(socket));
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The global WebSocket is the browser's class: the page uses the very same calls.
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const client = createRpcClient(fakeApi, channelOverSocket(socket));
  return {
    client,
    dropServer: async () => {
      const closed = new Promise<void>((resolve) => {
        client.onDisconnect(resolve);
      });
      for (const peer of server.clients) peer.terminate();
      await closed;
    },
    close: async () => {
      client.dispose();
      for (const peer of server.clients) peer.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
});
