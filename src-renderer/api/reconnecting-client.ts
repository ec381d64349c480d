/** A `LabClient` over any channel that can be opened again: it reconnects by itself with growing pauses. */
import { AppError, RPC_ERROR } from '../../src-main/protocol/app-error.ts';
import type { Channel, Disposable } from '../../src-main/protocol/channel.ts';
import { labApi, type LabApi } from '../../src-main/protocol/lab-api.ts';
import { createRpcClient, type RpcClient } from '../../src-main/protocol/rpc-client.ts';
import { Emitter } from './emitter.ts';
import type {
  ConnectionStatus,
  LabClient,
  LabCommand,
  LabEvent,
  LabEventData,
  LabParams,
  LabResult,
} from './lab-client.ts';

/** Opens one channel; rejects when the host cannot be reached. */
export type OpenChannel = () => Promise<Channel>;

const RETRY_MS = [200, 400, 800, 1_500, 3_000, 5_000] as const;

/** One listener of one event: subscribes at whatever connection there is. */
type Subscribe = (rpc: RpcClient<LabApi>) => Disposable;

export class ReconnectingClient implements LabClient {
  readonly #open: OpenChannel;
  readonly #connectionEmitter = new Emitter<ConnectionStatus>();
  readonly #subscribers = new Map<Subscribe, Disposable | null>();
  #status: ConnectionStatus = { state: 'connecting', attempt: 0, generation: 0 };
  #rpc: RpcClient<LabApi> | null = null;
  #waiting: (() => void)[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isOpening = false;
  #isDisposed = false;

  constructor(open: OpenChannel) {
    this.#open = open;
    void this.#connect();
  }

  get connection(): ConnectionStatus {
    return this.#status;
  }

  async call<N extends LabCommand>(name: N, params: LabParams<N>): Promise<LabResult<N>> {
    if (this.#rpc === null && this.#status.state === 'connecting') {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#rpc === null) {
      throw new AppError(RPC_ERROR.disconnected, 'The lab engine is not connected');
    }
    return this.#rpc.call(name, params);
  }

  on<N extends LabEvent>(event: N, listener: (data: LabEventData<N>) => void): Disposable {
    const subscribe: Subscribe = (rpc) => rpc.on(event, listener);
    this.#subscribers.set(subscribe, this.#rpc === null ? null : subscribe(this.#rpc));
    return {
      dispose: () => {
        this.#subscribers.get(subscribe)?.dispose();
        this.#subscribers.delete(subscribe);
      },
    };
  }

  onDidChangeConnection(listener: (status: ConnectionStatus) => void): Disposable {
    return this.#connectionEmitter.on(listener);
  }

  reconnect(): void {
    if (this.#rpc !== null || this.#isDisposed) return;
    clearTimeout(this.#retry);
    void this.#connect();
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#retry);
    this.#rpc?.dispose();
    this.#rpc = null;
    this.#releaseWaiting();
    this.#connectionEmitter.clear();
  }

  async #connect(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    try {
      const channel = await this.#open();
      if (this.#isDisposed) channel.close();
      else this.#adopt(channel);
    } catch {
      this.#lose();
    } finally {
      this.#isOpening = false;
    }
  }

  #adopt(channel: Channel): void {
    const rpc = createRpcClient(labApi, channel);
    this.#rpc = rpc;
    for (const subscribe of this.#subscribers.keys()) {
      this.#subscribers.set(subscribe, subscribe(rpc));
    }
    rpc.onDisconnect(() => {
      if (this.#rpc === rpc) this.#lose();
    });
    this.#setStatus({
      state: 'open',
      attempt: 0,
      generation: this.#status.generation + 1,
    });
    this.#releaseWaiting();
  }

  #lose(): void {
    if (this.#isDisposed) return;
    this.#rpc = null;
    const attempt = this.#status.attempt + 1;
    this.#setStatus({ state: 'lost', attempt, generation: this.#status.generation });
    this.#releaseWaiting();
    const pause = RETRY_MS[Math.min(attempt, RETRY_MS.length) - 1] ?? 0;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), pause);
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    this.#connectionEmitter.emit(status);
  }

  #releaseWaiting(): void {
    for (const release of this.#waiting.splice(0)) release();
  }
}
