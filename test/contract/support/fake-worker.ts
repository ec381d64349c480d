import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'node:worker_threads';
import { channelOverPort } from '../../../src-main/protocol/message-port-channel.ts';
import { serveFake } from './serve-fake.ts';

serveFake(channelOverPort(workerData as MessagePort));
