import { AppError, RPC_ERROR } from './app-error.ts';
import type { Channel, Disposable } from './channel.ts';
import type {
  ApiSpec,
  CommandName,
  CommandParams,
  CommandResult,
  EventData,
  EventName,
} from './define-api.ts';
import type { RpcFailure } from './rpc-message.ts';
import { parseServerMessage } from './rpc-message.ts';

/** The typed face of an API on the calling side. Failures reject with an `AppError`. */
export interface RpcClient<A extends ApiSpec> {
  call<N extends CommandName<A>>(
    method: N,
    params: CommandParams<A, N>,
  ): Promise<CommandResult<A, N>>;
  on<N extends EventName<A>>(event: N, listener: (data: EventData<A, N>) => void): Disposable;
  onDisconnect(listener: () => void): Disposable;
  dispose(): void;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: AppError): void;
}

export function createRpcClient<A extends ApiSpec>(_api: A, channel: Channel): RpcClient<A> {
  const pending = new Map<number, Pending>();
  const listeners = new Map<string, Set<(data: never) => void>>();
  let nextId = 0;
  let isOpen = true;

  const settle = (id: number, finish: (request: Pending) => void): void => {
    const request = pending.get(id);
    if (request === undefined) return;
    pending.delete(id);
    finish(request);
  };

  channel.onMessage((value) => {
    const message = parseServerMessage(value);
    if (message === null) return;
    if ('event' in message) {
      for (const listener of listeners.get(message.event) ?? []) listener(message.data as never);
    } else if ('error' in message) {
      settle(message.id, (request) => request.reject(toAppError(message.error)));
    } else {
      settle(message.id, (request) => request.resolve(message.result));
    }
  });

  const closing = channel.onClose(() => {
    isOpen = false;
    for (const id of [...pending.keys()]) settle(id, (request) => request.reject(disconnected()));
  });

  return {
    call: <N extends CommandName<A>>(method: N, params: CommandParams<A, N>) =>
      new Promise<CommandResult<A, N>>((resolve, reject) => {
        if (!isOpen) {
          reject(disconnected());
          return;
        }
        const id = nextId;
        nextId += 1;
        pending.set(id, { resolve: (result) => resolve(result as CommandResult<A, N>), reject });
        channel.send({ id, method, params });
      }),
    on: (event, listener) => {
      const known = listeners.get(event) ?? new Set();
      listeners.set(event, known.add(listener));
      return { dispose: () => void known.delete(listener) };
    },
    onDisconnect: (listener) => channel.onClose(listener),
    dispose: () => {
      closing.dispose();
      isOpen = false;
      channel.close();
      for (const id of [...pending.keys()]) settle(id, (request) => request.reject(disconnected()));
      listeners.clear();
    },
  };
}

function toAppError(failure: RpcFailure): AppError {
  return new AppError(failure.code, failure.message, {
    ...(failure.issues === undefined ? {} : { issues: failure.issues }),
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  });
}

function disconnected(): AppError {
  return new AppError(RPC_ERROR.disconnected, 'The lab engine is not connected', {
    hint: 'Reload the window; saved work is kept',
  });
}
