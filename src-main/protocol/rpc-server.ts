import * as v from 'valibot';
import type { Issue } from './app-error.ts';
import { AppError, RPC_ERROR } from './app-error.ts';
import type { ApiSpec, EventData, EventName } from './define-api.ts';
import type { RpcFailure, RpcRequest, ServerMessage } from './rpc-message.ts';
import { parseRequest } from './rpc-message.ts';

/** What answers the commands of an API. Parameters are validated before they arrive here. */
export interface RpcService {
  handle(method: string, params: unknown): unknown;
  /** Answers at once, for a thread that is blocked at a breakpoint. */
  serveWhilePaused?(method: string, params: unknown): unknown;
}

export interface RpcServer<A extends ApiSpec> {
  /** Takes one message from the client; the answer goes out when the service has it. */
  receive(message: unknown): void;
  /** The same for a blocked thread: the answer goes out before this returns. */
  receiveWhilePaused(message: unknown): void;
  emit<N extends EventName<A>>(event: N, data: EventData<A, N>): void;
}

export interface RpcServerOptions<A extends ApiSpec> {
  readonly api: A;
  readonly service: RpcService;
  readonly send: (message: ServerMessage) => void;
  /** A bug in the service: the client sees only that there was one. */
  readonly onBug: (error: unknown, method: string) => void;
}

export function createRpcServer<A extends ApiSpec>(options: RpcServerOptions<A>): RpcServer<A> {
  const { api, service, send, onBug } = options;

  const fail = (request: RpcRequest, error: unknown): void => {
    send({ id: request.id, error: toFailure(error, request.method, onBug) });
  };

  const accept = (message: unknown): { request: RpcRequest; params: unknown } | null => {
    const request = parseRequest(message);
    if (request === null) return null;
    try {
      return { request, params: validParams(api, request) };
    } catch (error) {
      fail(request, error);
      return null;
    }
  };

  return {
    receive: (message) => {
      const accepted = accept(message);
      if (accepted === null) return;
      const { request, params } = accepted;
      const answer = async (): Promise<unknown> => await service.handle(request.method, params);
      // One handler for both: an answer that the transport cannot carry is a bug as well.
      answer()
        .then((result) => send({ id: request.id, result }))
        .catch((error: unknown) => fail(request, error));
    },
    receiveWhilePaused: (message) => {
      const accepted = accept(message);
      if (accepted === null) return;
      const { request, params } = accepted;
      try {
        if (service.serveWhilePaused === undefined) throw busy(request.method);
        send({ id: request.id, result: service.serveWhilePaused(request.method, params) });
      } catch (error) {
        fail(request, error);
      }
    },
    emit: (event, data) => send({ event, data }),
  };
}

function validParams(api: ApiSpec, request: RpcRequest): unknown {
  const command = Object.hasOwn(api.commands, request.method)
    ? api.commands[request.method]
    : undefined;
  if (command === undefined) {
    throw new AppError(
      RPC_ERROR.unknownCommand,
      `Expected a command of API version ${api.version}, found ${request.method}`,
    );
  }
  const parsed = v.safeParse(command.params, request.params);
  if (parsed.success) return parsed.output;
  const issues = parsed.issues.map(toIssue);
  throw new AppError(
    RPC_ERROR.invalidParams,
    `Parameters of ${request.method} are not valid: ${issues.map(describe).join('; ')}`,
    { issues },
  );
}

function toIssue(issue: v.BaseIssue<unknown>): Issue {
  return { code: issue.type, path: v.getDotPath(issue) ?? '', message: issue.message };
}

function describe(issue: Issue): string {
  return issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`;
}

function toFailure(
  error: unknown,
  method: string,
  onBug: RpcServerOptions<ApiSpec>['onBug'],
): RpcFailure {
  if (error instanceof AppError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.issues.length === 0 ? {} : { issues: error.issues }),
    };
  }
  onBug(error, method);
  const reason = error instanceof Error ? error.message : String(error);
  return { code: RPC_ERROR.internal, message: `${method} failed inside the lab: ${reason}` };
}

function busy(method: string): AppError {
  return new AppError(RPC_ERROR.busy, `${method} is not possible while a script is paused`);
}
