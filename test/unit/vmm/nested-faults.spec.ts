/**
 * Entries of a guest's first stage that lead where its VM has nothing. A translation request for them gets Success without
 * rights (VT-d 5.10 section 7.1.3, SFS.5 and SSS.2), so the device asks for the page; the guest cannot bring it in.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { MAP } from '../../../src-main/linux/mm/mm.ts';
import { bytesOfLevel } from '../../../src-main/linux/mm/radix-table.ts';
import type { HardwarePort } from '../../../src-main/sim/index.ts';
import { AnyDescriptor, FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { CreateDeltaDescriptor } from '../../../src-main/spec/dsa/operation-descriptors.ts';
import { OPCODE } from '../../../src-main/spec/dsa/operations.ts';
import { ENTRIES_PER_TABLE, ENTRY_BYTES } from '../../../src-main/spec/paging/levels.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { PAGE_RESPONSE_CODE as CODE } from '../../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostPasidOf,
  openGuestApp,
  startGuest,
  type VsvaApp,
  type VsvaGuest,
  type VsvaLab,
} from '../../support/linux-vsva.ts';

const PAGE = 4096;
const LOWEST_TABLE_BYTES = bytesOfLevel(2);
const BEYOND = 1n << 49n;
/** Above the guest's memory, below the second stage's width. */
const HOLE = 1n << 40n;
const PRESENT_FOR_ALL = 7n;
const USER = 4n;
const ADDRESS = 0xf_ffff_ffff_f000n;
const SFS_5 = 0x74;
const SSS_2 = 0x79;
/** Bit 7 of a record's status says that the fault was a write. */
const STATUS_MASK = 0x3f;
/** Vain answers that the device takes before it gives up. */
const TRIES = 9;

interface Scene {
  readonly lab: VsvaLab;
  readonly own: VsvaGuest;
  readonly app: VsvaApp;
}

function scene(profile: 'kvmforum2019' | 'iommufd'): Scene {
  const lab = bootVsva(profile, ['shared']);
  const own = startGuest(lab, 1, 'shared');
  const app = openGuestApp(own, 'app');
  for (let page = 0; page < 3; page++) {
    app.process.mm.write(app.memory + page * PAGE, Uint8Array.of(page));
  }
  return { lab, own, app };
}

/** The guest's own entry of a page, as the guest may write it without anybody noticing. */
function rewrite({ own, app }: Scene, page: number, change: (entry: bigint) => bigint): void {
  const { entryAddress, entry } = defined(
    app.process.mm.table.lookup(app.memory + page * PAGE),
    'Entry of the page',
  );
  own.guest.core.hw.memoryWrite64(entryAddress, change(entry));
}

/** Two sources that differ; the differences go to the third page. */
function createDelta(app: VsvaApp): Uint32Array {
  const words = CreateDeltaDescriptor.encode({
    opcode: OPCODE.createDelta,
    recordAddressValid: 1,
    requestRecord: 1,
    recordAddress: BigInt(app.records),
    source1: BigInt(app.memory),
    source2: BigInt(app.memory + PAGE),
    size: 64,
    delta: BigInt(app.memory + 2 * PAGE),
    maxDeltaSize: 80,
  });
  words[0] = AnyDescriptor.encode({})[0] ?? 0;
  words[1] = ((words[1] ?? 0) | FLAG.blockOnFault) >>> 0;
  return words;
}

function run({ own, app }: Scene, words: Uint32Array): number {
  expect(own.guest.instructions.enqcmd(app.process, app.portal, words)).toBe('accepted');
  own.guest.core.advance(10_000_000);
  return guestStatus(app) & STATUS_MASK;
}

function answers({ lab, own, app }: Scene): readonly (readonly unknown[])[] {
  return lab
    .rows('linux.page-request.answered')
    .filter((r) => r.values['rid'] === lab.dev.rid && r.values['pasid'] === hostPasidOf(own, app))
    .map((r) => [r.values['code'], r.values['why']]);
}

describe.each(['kvmforum2019', 'iommufd'] as const)(
  'an entry of a guest that leads out of its VM, %s',
  (profile) => {
    it.each([
      ['a page beyond the second stage', () => BEYOND | PRESENT_FOR_ALL, SFS_5, 'beyond'],
      ['a page in a hole of it', () => HOLE | PRESENT_FOR_ALL, SSS_2, 'hole'],
    ] as const)(
      'names %s: the host answers once, the descriptor ends',
      (...[, to, reason, why]) => {
        const own = scene(profile);
        rewrite(own, 0, to);
        expect(run(own, guestMove(own.app))).toBe(STATUS.pageRequestInvalid);
        expect(answers(own)).toEqual([[CODE.invalidRequest, expect.stringContaining(why)]]);
        expect(own.lab.rows('vmm.viommu.page-request')).toEqual([]);
        const { values } = defined(own.lab.rows('iommu.request.blocked').at(-1), 'Refusal');
        // Success without rights, and so no record (section 7.1.2).
        expect(values).toMatchObject({ reason, status: 0 });
        expect(own.lab.rows('iommu.fault.recorded')).toEqual([]);
      },
    );

    it('names a table beyond the second stage', () => {
      const place = scene(profile);
      const { app, own } = place;
      // Far from the record, which needs a table of its own.
      const flags = MAP.PRIVATE | MAP.ANONYMOUS;
      const length = 2 * LOWEST_TABLE_BYTES;
      const area = own.guest.calls.mmap(app.process, { length, prot: 3, flags, fd: -1, offset: 0 });
      const from = Math.ceil(area / LOWEST_TABLE_BYTES) * LOWEST_TABLE_BYTES;
      app.process.mm.write(from, Uint8Array.of(1));
      const { hw } = own.guest.core;
      const upper = tableEntryOf(hw, app.process.mm.table.root, from);
      hw.memoryWrite64(upper, hw.memoryRead64(upper) | BEYOND);
      expect(run(place, guestMove(app, { from }))).toBe(STATUS.pageRequestInvalid);
      expect(answers(place)).toEqual([[CODE.invalidRequest, expect.stringContaining('beyond')]]);
    });

    it('ends an operation that translates while it runs', () => {
      const own = scene(profile);
      rewrite(own, 2, () => BEYOND | PRESENT_FOR_ALL);
      expect(run(own, createDelta(own.app))).toBe(STATUS.pageRequestInvalid);
      expect(answers(own)).toHaveLength(1);
    });
  },
);

describe('a guest that answers Success in vain', () => {
  it.each([
    ['a move', 0, (app: VsvaApp) => guestMove(app)],
    ['an operation that translates while it runs', 2, createDelta],
  ] as const)('is not asked without end by %s', (_, page, words) => {
    const own = scene('kvmforum2019');
    // The guest's kernel has the page, and does not see what its entry lacks.
    rewrite(own, page, (entry) => entry & ~USER);
    expect(run(own, words(own.app))).toBe(STATUS.pageRequestInvalid);
    expect(answers(own).map(([code]) => code)).toEqual(
      Array.from({ length: TRIES }, () => CODE.success),
    );
  });
});

/** Where the entry is that names the lowest table of an address. */
function tableEntryOf(hw: HardwarePort, root: number, address: number): number {
  let table = root;
  for (let level = 4; level > 2; level--) {
    table = Number(hw.memoryRead64(entryAt(table, level, address)) & ADDRESS);
  }
  return entryAt(table, 2, address);
}

function entryAt(table: number, level: number, address: number): number {
  return table + (Math.floor(address / bytesOfLevel(level)) % ENTRIES_PER_TABLE) * ENTRY_BYTES;
}
