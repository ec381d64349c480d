/**
 * The eight bytes that answer an ATS translation request: from the unit's answer to the entry, and from the entry to what a
 * function makes of it. VT-d 5.10 sections 4.1 and 4.2; the size is told by the lowest zero of the page number, as in
 * invalidations (section 6.5.2.5).
 */
import { TranslationCompletionEntry } from '../../spec/vtd/translation-completion.ts';
import type { TranslationCompletion } from '../pcie/ports.ts';
import { pieceMask } from './piece.ts';
import type { IommuAnswer } from './request.ts';

const READ = pieceMask(TranslationCompletionEntry, 'R');
const WRITE = pieceMask(TranslationCompletionEntry, 'W');
const UNTRANSLATED = pieceMask(TranslationCompletionEntry, 'U');
const EXECUTE = pieceMask(TranslationCompletionEntry, 'EXE');
const PRIVILEGED = pieceMask(TranslationCompletionEntry, 'PRIV');
const GLOBAL = pieceMask(TranslationCompletionEntry, 'G');
const NON_SNOOPED = pieceMask(TranslationCompletionEntry, 'N');
const SIZE = pieceMask(TranslationCompletionEntry, 'S');
const PAGE_SHIFT = 12;
const LOW_BITS = 32;

/** Low and high word of the entry for an answer that succeeded. */
export function encodeCompletion(answer: IommuAnswer, entry: Uint32Array): void {
  const hasRights = answer.reason === 0 && (answer.canRead || answer.canWrite);
  let low =
    (hasRights && answer.canRead ? READ : 0) |
    (hasRights && answer.canWrite ? WRITE : 0) |
    (answer.isUntranslatedOnly ? UNTRANSLATED : 0) |
    (answer.isPrivileged ? PRIVILEGED : 0) |
    (answer.isSnooped ? NON_SNOOPED : 0);
  let high = 0;
  if (hasRights && !answer.isUntranslatedOnly) {
    const { pageShift } = answer;
    low |= (answer.low & -(2 ** pageShift)) | sizeBits(pageShift);
    ({ high } = answer);
  }
  entry[0] = low;
  entry[1] = high;
}

/** Ones in the page number below the size, a zero above them, and S. Regions of one page have neither. */
function sizeBits(pageShift: number): number {
  return pageShift === PAGE_SHIFT ? 0 : SIZE | (2 ** (pageShift - 1) - 2 ** PAGE_SHIFT);
}

/** What a function reads in an entry; `high:low` is the address it asked for. */
export function decodeCompletion(
  entry: Uint32Array,
  high: number,
  low: number,
  completion: TranslationCompletion,
): void {
  const word = entry[0] as number;
  completion.isReadable = (word & READ) !== 0;
  completion.isWritable = (word & WRITE) !== 0;
  completion.isExecutable = (word & EXECUTE) !== 0;
  completion.isPrivileged = (word & PRIVILEGED) !== 0;
  completion.isGlobal = (word & GLOBAL) !== 0;
  completion.isNonSnooped = (word & NON_SNOOPED) !== 0;
  completion.isUntranslatedOnly = (word & UNTRANSLATED) !== 0;
  const pageShift = (word & SIZE) === 0 ? PAGE_SHIFT : shiftOf(word, entry[1] as number);
  completion.pageShift = pageShift;
  const lowMask = pageShift >= LOW_BITS ? 0xffff_ffff : 2 ** pageShift - 1;
  const highMask = pageShift > LOW_BITS ? 2 ** (pageShift - LOW_BITS) - 1 : 0;
  completion.low = (word & ~lowMask & ~0xfff) | (low & lowMask);
  completion.high = ((entry[1] as number) & ~highMask) | (high & highMask);
}

function shiftOf(low: number, high: number): number {
  for (let bit = PAGE_SHIFT; bit < 2 * LOW_BITS - 1; bit++) {
    const isSet = bit < LOW_BITS ? (low >>> bit) & 1 : (high >>> (bit - LOW_BITS)) & 1;
    if (isSet === 0) {
      return bit + 1;
    }
  }
  return 2 * LOW_BITS;
}
