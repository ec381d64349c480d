/**
 * The renderer's only way to the engine: typed commands and events of `labApi`, whatever carries them.
 *
 * No transport and no DOM here, so that fakes and tests can implement it anywhere.
 */
import { AppError, RPC_ERROR } from '../../src-main/protocol/app-error.ts';
import type { Disposable } from '../../src-main/protocol/channel.ts';
import type {
  CommandName,
  CommandParams,
  CommandResult,
  EventData,
  EventName,
} from '../../src-main/protocol/define-api.ts';
import type { LabApi } from '../../src-main/protocol/lab-api.ts';

export type LabCommand = CommandName<LabApi>;
export type LabEvent = EventName<LabApi>;
export type LabParams<N extends LabCommand> = CommandParams<LabApi, N>;
export type LabResult<N extends LabCommand> = CommandResult<LabApi, N>;
export type LabEventData<N extends LabEvent> = EventData<LabApi, N>;

export interface ConnectionStatus {
  readonly state: 'connecting' | 'open' | 'lost';
  /** Failed attempts since the connection was last open. */
  readonly attempt: number;
  /** Increases each time the connection opens; 2 and more are reconnections. */
  readonly generation: number;
}

export interface LabClient {
  /** Answers once, or rejects with an `AppError`. */
  call<N extends LabCommand>(name: N, params: LabParams<N>): Promise<LabResult<N>>;
  /** Survives reconnections. */
  on<N extends LabEvent>(event: N, listener: (data: LabEventData<N>) => void): Disposable;
  readonly connection: ConnectionStatus;
  onDidChangeConnection(listener: (status: ConnectionStatus) => void): Disposable;
  /** Tries to reconnect now instead of waiting for the next automatic attempt. */
  reconnect(): void;
  dispose(): void;
}

export function isConnectionLost(error: unknown): boolean {
  return error instanceof AppError && error.code === RPC_ERROR.disconnected;
}

/** The engine answers something else just now, or was replaced: asking again later is right. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  return error.code === RPC_ERROR.busy || error.code === RPC_ERROR.sessionRestarted;
}
