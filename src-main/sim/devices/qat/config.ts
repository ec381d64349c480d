import { BANK_BYTES, SMALLEST_BANK_BYTES } from '../../../spec/qat/registers.ts';

/** Settings of one QAT-class function. Defaults follow 4xxx parts: 64 ring pairs, one vector each and one for errors. */

export interface QatConfig {
  readonly ringPairs?: number;
  readonly imsEntries?: number;
  readonly atcEntries?: number;
  /** Longest input of one request in bytes. */
  readonly maxTransfer?: number;
  /**
   * Bytes from one bank to the next. 8 KiB on parts: each half has a page to itself. With less, ring pairs share pages, and
   * none of them can be lent to a guest.
   */
  readonly bankBytes?: number;
}

export interface QatSettings {
  readonly ringPairs: number;
  readonly msixEntries: number;
  readonly imsEntries: number;
  readonly atcEntries: number;
  readonly maxTransfer: number;
  readonly bankBytes: number;
}

export interface QatConfigIssue {
  readonly path: string;
  readonly message: string;
}

export function qatSettings(config: QatConfig): QatSettings {
  const ringPairs = config.ringPairs ?? 64;
  return {
    ringPairs,
    msixEntries: ringPairs + 1,
    imsEntries: config.imsEntries ?? 256,
    atcEntries: config.atcEntries ?? 256,
    maxTransfer: config.maxTransfer ?? 2 ** 20,
    bankBytes: config.bankBytes ?? BANK_BYTES,
  };
}

export function qatConfigIssues(settings: QatSettings): readonly QatConfigIssue[] {
  const check = (path: keyof QatSettings, low: number, high: number): readonly QatConfigIssue[] => {
    const value = settings[path];
    return Number.isInteger(value) && value >= low && value <= high
      ? []
      : [{ path, message: `Expected a whole number from ${low} to ${high}, found ${value}` }];
  };
  const { atcEntries, bankBytes } = settings;
  const isPower = atcEntries >= 4 && isPowerOfTwo(atcEntries);
  const isBank =
    bankBytes >= SMALLEST_BANK_BYTES && bankBytes <= BANK_BYTES && isPowerOfTwo(bankBytes);
  return [
    ...check('ringPairs', 1, 1024),
    ...check('imsEntries', 0, 32_768),
    ...check('maxTransfer', 64, 2 ** 24),
    ...(isPower
      ? []
      : [{ path: 'atcEntries', message: `Expected a power of two from 4, found ${atcEntries}` }]),
    ...(isBank
      ? []
      : [
          {
            path: 'bankBytes',
            message: `Expected a power of two from ${SMALLEST_BANK_BYTES} to ${BANK_BYTES}, found ${bankBytes}`,
          },
        ]),
  ];
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
