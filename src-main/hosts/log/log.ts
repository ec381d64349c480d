/** Messages for those who run or mend the program, not for its user. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };
