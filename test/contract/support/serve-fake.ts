import type { Channel } from '../../../src-main/protocol/channel.ts';
import type { RpcServer } from '../../../src-main/protocol/rpc-server.ts';
import { createRpcServer } from '../../../src-main/protocol/rpc-server.ts';
import type { FakeApi } from './fake-api.ts';
import { createFakeService, fakeApi } from './fake-api.ts';

/** Serves a fresh fake service over `channel`. */
export function serveFake(channel: Channel): RpcServer<FakeApi> {
  const server = createRpcServer<FakeApi>({
    api: fakeApi,
    service: createFakeService((name, data) => server.emit(name, data)),
    send: (message) => channel.send(message),
    onBug: () => {},
  });
  channel.onMessage((message) => server.receive(message));
  return server;
}
