/** The device TLB alone: whose translation is whose, and how many spaces find room beside each other. */
import { describe, expect, it } from 'vitest';
import { AddressTranslationCache } from '../../../../src-main/sim/pcie/address-translation-cache.ts';
import { createTranslationCompletion } from '../../../../src-main/sim/pcie/ports.ts';

const PAGES = [0x10_0000, 0x20_0000, 0x30_0000];
const PAGE = 4096;
const EVERYTHING = { itag: 0, isGlobal: false, high: 0, low: 0, sizeShift: 64 };

function answer(low: number): ReturnType<typeof createTranslationCompletion> {
  return { ...createTranslationCompletion(), isReadable: true, pageShift: 12, low };
}

describe('a device TLB', () => {
  it('keeps three pages of 1,024 neighbouring PASIDs in four entries for each', () => {
    const cache = new AddressTranslationCache(4096);
    for (let pasid = 1; pasid <= 1024; pasid++) {
      PAGES.forEach((page) => {
        cache.insert(pasid, false, 0, page, answer(pasid * PAGE + page));
      });
    }
    for (let pasid = 1; pasid <= 1024; pasid++) {
      for (const page of PAGES) {
        expect(cache.lookup(pasid, false, 0, page + 8, false)).toBe(true);
        expect(cache.low).toBe(pasid * PAGE + page + 8);
      }
    }
  });

  it('keeps as many neighbouring pages of one PASID as it has entries', () => {
    const cache = new AddressTranslationCache(64);
    for (let page = 0; page < 64; page++) {
      cache.insert(5, false, 0, page * PAGE, answer(page * PAGE));
    }
    expect(cache.entries()).toHaveLength(64);
  });

  it('tells requests without PASID, PASID 0 and both privileges apart', () => {
    const cache = new AddressTranslationCache(16);
    const spaces = [
      { pasid: -1, isPrivileged: false },
      { pasid: 0, isPrivileged: false },
      { pasid: 0, isPrivileged: true },
      { pasid: 0xf_ffff, isPrivileged: true },
    ];
    spaces.forEach(({ pasid, isPrivileged }, i) => {
      cache.insert(pasid, isPrivileged, 0, 0, answer(i * PAGE));
    });
    expect(
      spaces.map(({ pasid, isPrivileged }) => {
        const isHit = cache.lookup(pasid, isPrivileged, 0, 0, false);
        return isHit ? cache.low / PAGE : undefined;
      }),
    ).toEqual([0, 1, 2, 3]);
    expect(cache.entries()).toEqual(
      expect.arrayContaining(spaces.map((space) => expect.objectContaining(space) as unknown)),
    );
    expect(cache.invalidate({ ...EVERYTHING, pasid: 0 })).toBe(2);
    expect(cache.lookup(-1, false, 0, 0, false)).toBe(true);
  });
});
