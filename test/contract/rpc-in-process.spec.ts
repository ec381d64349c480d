import { createChannelPair } from '../../src-main/protocol/channel.ts';
import { createRpcClient } from '../../src-main/protocol/rpc-client.ts';
import { fakeApi } from './support/fake-api.ts';
import { describeRpcContract } from './support/rpc-contract.ts';
import { serveFake } from './support/serve-fake.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describeRpcContract('in-process', async () => {
  const [near, far] = createChannelPair();
  serveFake(far);
  const client = createRpcClient(fakeApi, near);
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
});
