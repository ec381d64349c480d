import { MessageChannel, Worker } from 'node:worker_threads';
import { channelOverPort } from '../../src-main/protocol/message-port-channel.ts';
import { createRpcClient } from '../../src-main/protocol/rpc-client.ts';
import { fakeApi } from './support/fake-api.ts';
import { describeRpcContract } from './support/rpc-contract.ts';

describeRpcContract('MessagePort to a worker thread', async () => {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./support/fake-worker.ts', import.meta.url), {
    workerData: port2,
    transferList: [port2],
  });
  const client = createRpcClient(fakeApi, channelOverPort(port1));
  return {
    client,
    dropServer: async () => {
      const closed = new Promise<void>((resolve) => {
        client.onDisconnect(resolve);
      });
      await worker.terminate();
      await closed;
    },
    close: async () => {
      client.dispose();
      await worker.terminate();
    },
  };
});
