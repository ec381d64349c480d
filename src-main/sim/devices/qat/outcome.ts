/** What a request ends with: the fields of its response that the service decides. */

export interface Outcome {
  readonly invalidParameter?: boolean;
  readonly unsupported?: boolean;
  readonly cryptoError?: boolean;
  readonly compressionError?: boolean;
  readonly endOfLastBlock?: boolean;
  readonly verified?: boolean;
  readonly recovered?: boolean;
  readonly stored?: boolean;
  /** Signed 8 bits. */
  readonly errorCode?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly crc32?: number;
  readonly adler32?: number;
}

export const SUCCESS: Outcome = {};
export const INVALID: Outcome = { invalidParameter: true };
export const UNSUPPORTED: Outcome = { unsupported: true };

export function isError(outcome: Outcome): boolean {
  return (
    outcome.invalidParameter === true ||
    outcome.unsupported === true ||
    outcome.cryptoError === true ||
    outcome.compressionError === true
  );
}
