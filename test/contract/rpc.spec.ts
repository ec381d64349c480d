import { fakeApi } from './support/fake-api.ts';
import { describeRpcContract } from './support/rpc-contract.ts';
import { serveFake } from './support/serve-fake.ts';
import { connectInProcess, connectOverSocket, connectToWorker } from './support/transports.ts';

const worker = new URL('./support/fake-worker.ts', import.meta.url);

describeRpcContract('in-process', async () => connectInProcess(fakeApi, serveFake));
describeRpcContract('MessagePort to a worker thread', async () => connectToWorker(fakeApi, worker));
describeRpcContract('WebSocket', () => connectOverSocket(fakeApi, serveFake));
