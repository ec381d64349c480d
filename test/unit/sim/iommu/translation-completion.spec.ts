/** The eight bytes of a translation completion, against their declaration. VT-d 5.10 section 4.2, PCIe ATS. */
import { describe, expect, it } from 'vitest';
import { createIommuAnswer, type IommuAnswer } from '../../../../src-main/sim/iommu/request.ts';
import {
  decodeCompletion,
  encodeCompletion,
} from '../../../../src-main/sim/iommu/translation-completion.ts';
import {
  createTranslationCompletion,
  type TranslationCompletion,
} from '../../../../src-main/sim/pcie/ports.ts';
import { TranslationCompletionEntry } from '../../../../src-main/spec/vtd/translation-completion.ts';
import { SECOND_STAGE } from '../../../support/iommu-tables.ts';
import { TranslatingUnit } from '../../../support/iommu-setup.ts';

const HIGH = 0x0001_4020;
const LOW = 0x4020_0000;

function entryOf(answer: Partial<IommuAnswer>): Uint32Array {
  const entry = new Uint32Array(2);
  encodeCompletion({ ...createIommuAnswer(), ...answer }, entry);
  return entry;
}

function received(entry: Uint32Array, high = 0x7f00, low = 0x1234_5000): TranslationCompletion {
  const completion = createTranslationCompletion();
  decodeCompletion(entry, high, low, completion);
  return completion;
}

describe('a translation completion', () => {
  it.each([
    [12, 0, 0x0001_4020_4020_0000n],
    // 2 MB: bits 19:12 ones, bit 20 zero; 1 GB: bits 28:12 ones, bit 29 zero.
    [21, 1, 0x0001_4020_402f_f000n],
    [30, 1, 0x0001_4020_5fff_f000n],
  ])('tells a region of 2^%i bytes', (pageShift, S, ADDR) => {
    const entry = entryOf({ canRead: true, canWrite: true, high: HIGH, low: LOW, pageShift });
    expect(TranslationCompletionEntry.decode(entry)).toEqual({
      R: 1,
      W: 1,
      U: 0,
      EXE: 0,
      PRIV: 0,
      G: 0,
      N: 0,
      S,
      ADDR,
    });
    expect(received(entry).pageShift).toBe(pageShift);
  });

  it('has no address without rights', () => {
    const entry = entryOf({ high: HIGH, low: LOW, isPrivileged: true });
    expect(TranslationCompletionEntry.decode(entry)).toMatchObject({
      R: 0,
      W: 0,
      PRIV: 1,
      ADDR: 0n,
    });
  });

  it('has no rights when the request met a fault that it is not told of', () => {
    const entry = entryOf({ reason: 0x71, canRead: true, high: HIGH, low: LOW });
    expect(TranslationCompletionEntry.decode(entry)).toMatchObject({ R: 0, ADDR: 0n });
  });

  it('allows untranslated writes alone in the interrupt range', () => {
    const entry = entryOf({ canWrite: true, isUntranslatedOnly: true, low: 0xfee0_0000 });
    expect(TranslationCompletionEntry.decode(entry)).toMatchObject({ R: 0, W: 1, U: 1, ADDR: 0n });
  });

  it('asks for snooping by N', () => {
    const entry = entryOf({ canRead: true, isSnooped: true });
    expect(TranslationCompletionEntry.decode(entry).N).toBe(1);
    expect(received(entry).isNonSnooped).toBe(true);
  });

  it.each([12, 21, 30])('gives the function its page of a region of 2^%i bytes', (pageShift) => {
    const mask = 2 ** pageShift - 1;
    const low = (0x8000_0000 | (0x1234_5000 & mask)) >>> 0;
    const entry = entryOf({ canRead: true, high: HIGH, low, pageShift });
    const completion = received(entry);
    expect([completion.high, completion.low >>> 0]).toEqual([HIGH, low]);
    expect(completion.isWritable).toBe(false);
  });

  it('carries what a unit grants', () => {
    const unit = new TranslatingUnit({ secondStageLeaf: SECOND_STAGE.R | SECOND_STAGE.SNP });
    const { answer } = unit.request('TP');
    expect(TranslationCompletionEntry.decode(entryOf(answer))).toMatchObject({
      R: 1,
      W: 0,
      N: 1,
      S: 0,
      ADDR: unit.output,
    });
  });
});
