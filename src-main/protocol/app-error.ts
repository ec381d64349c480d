/** One problem of an input: where it is, what was expected and found, what to do. */
export interface Issue {
  readonly code: string;
  /** Dotted path into the input, empty for the whole of it. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

/** Codes the boundary itself raises. Services add their own; a code is API, a message may change. */
export const RPC_ERROR = {
  unknownCommand: 'ERR_UNKNOWN_COMMAND',
  invalidParams: 'ERR_INVALID_PARAMS',
  invalidMessage: 'ERR_INVALID_MESSAGE',
  busy: 'ERR_BUSY',
  internal: 'ERR_INTERNAL',
  disconnected: 'ERR_DISCONNECTED',
  sessionRestarted: 'ERR_SESSION_RESTARTED',
  sessionLost: 'ERR_SESSION_LOST',
} as const;

export interface AppErrorOptions {
  readonly issues?: readonly Issue[];
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A failure with a stable code that a host shows to its user. Bugs are not AppErrors. */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: string;
  readonly issues: readonly Issue[];
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.issues = options.issues ?? [];
    this.hint = options.hint;
  }
}
