/**
 * The messages of the boundary. Every transport carries exactly these, as structured clones or as
 * the frames of `wire.ts`.
 */
import * as v from 'valibot';
import type { Issue } from './app-error.ts';

export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

export interface RpcFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly issues?: readonly Issue[];
}

export type RpcResponse =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: RpcFailure };

export interface RpcNotification {
  readonly event: string;
  readonly data: unknown;
}

export type ServerMessage = RpcResponse | RpcNotification;
export type RpcMessage = RpcRequest | ServerMessage;

const RequestId = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const RequestSchema = v.strictObject({
  id: RequestId,
  method: v.pipe(v.string(), v.maxLength(100)),
  params: v.optional(v.unknown()),
});

const FailureSchema = v.object({
  code: v.string(),
  message: v.string(),
  hint: v.exactOptional(v.string()),
  issues: v.exactOptional(
    v.array(
      v.object({
        code: v.string(),
        path: v.string(),
        message: v.string(),
        hint: v.exactOptional(v.string()),
      }),
    ),
  ),
});

const ServerMessageSchema = v.union([
  v.strictObject({ id: RequestId, error: FailureSchema }),
  v.strictObject({ id: RequestId, result: v.optional(v.unknown()) }),
  v.strictObject({ event: v.string(), data: v.optional(v.unknown()) }),
]);

/** The request in `value`, or null when it is not one. */
export function parseRequest(value: unknown): RpcRequest | null {
  const parsed = v.safeParse(RequestSchema, value);
  if (!parsed.success) return null;
  const { id, method, params } = parsed.output;
  return { id, method, params };
}

/** The response or notification in `value`, or null when it is neither. */
export function parseServerMessage(value: unknown): ServerMessage | null {
  const parsed = v.safeParse(ServerMessageSchema, value);
  if (!parsed.success) return null;
  const message = parsed.output;
  if ('event' in message) return { event: message.event, data: message.data };
  if ('error' in message) return { id: message.id, error: message.error };
  return { id: message.id, result: message.result };
}
