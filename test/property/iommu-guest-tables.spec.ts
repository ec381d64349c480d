/**
 * Nested translation with all caches off: each request gets what both stages say at that moment, whatever the unit has kept
 * about the pages of first-stage tables. Judged by the general walkers, which keep nothing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MemorySnapshot } from '../../src-main/sim/memory/physical-memory.ts';
import { createIommuRequest } from '../../src-main/sim/iommu/request.ts';
import { COMPLETION } from '../../src-main/sim/pcie/ports.ts';
import { AW } from '../../src-main/spec/vtd/address-width.ts';
import { PGTT } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { checkProperty } from '../support/check-property.ts';
import { HIGH_RAM_BASE, IommuBench } from '../support/iommu-bench.ts';
import {
  FIRST_STAGE_LEAF,
  FIRST_STAGE_TABLE,
  IommuTables,
  SECOND_STAGE_RIGHTS,
} from '../support/iommu-tables.ts';

const RID = 0x0398;
const PAGE = 4096;
const LEVELS = 4;
/** Two in one lowest table, one in another, one behind another top entry. */
const INPUTS = [0x1000n, 0x5000n, 0x4000_0000n, 0x80_0000_0000n];
/** Guest pages with first-stage tables, always three that share a slot of `GuestTableMemo`. Eight are enough for `INPUTS`. */
const GUEST_TABLES = Array.from({ length: 12 }, (_, i) => {
  const first = 0x1_0000_0000 + (i >> 2) * 4 * PAGE;
  return [first, first + 0x401 * PAGE, first + 2 ** 42, first + 2 * PAGE][i & 3] ?? 0;
});
const GUEST_DATA = [0x3_0000_0000, 0x3_0020_0000];
const VMS = 2;
const LEAF = 1;

type Step =
  | { readonly kind: 'request'; readonly pasid: number; readonly input: bigint }
  /** A guest page gets another frame with the same contents, or with none. */
  | { readonly kind: 'move'; readonly vm: number; readonly page: number; readonly isEmpty: boolean }
  /** A second-stage entry on the way to a guest page loses its rights, or has them again. */
  | { readonly kind: 'rights'; readonly vm: number; readonly page: number; readonly level: number }
  /** The guest lets an input lead to another of its pages. */
  | { readonly kind: 'remap'; readonly vm: number; readonly input: bigint; readonly to: number }
  /** A PASID gets the tables of a VM. */
  | { readonly kind: 'bind'; readonly pasid: number; readonly vm: number }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'restore' };

const vm = fc.integer({ min: 0, max: VMS - 1 });
const pasid = fc.integer({ min: 1, max: 3 });
const input = fc.constantFrom(...INPUTS);
const page = fc.integer({ min: 0, max: 9 });
const kind = <K extends Step['kind']>(value: K): fc.Arbitrary<K> => fc.constant(value);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: kind('request'), pasid, input }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('move'), vm, page, isEmpty: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('rights'),
      vm,
      page,
      level: fc.integer({ min: 1, max: LEVELS }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('remap'), vm, input, to: fc.integer({ min: 0, max: 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('bind'), pasid, vm }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('snapshot') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('restore') }) },
);

/** Two VMs with the same guest addresses behind second stages of their own. */
class Guests {
  readonly #bench = new IommuBench();
  readonly #tables = new IommuTables(this.#bench.memory);
  readonly #directory = this.#tables.page();
  /** So far apart that the pages of both VMs share the slots of `GuestTableMemo`. */
  readonly #secondStages = Array.from({ length: VMS }, () => this.#tables.page(1024));
  #nextFrame = HIGH_RAM_BASE;
  #snapshot: MemorySnapshot | undefined;

  constructor() {
    const { memory } = this.#bench;
    this.#tables.setContext(RID, { PASIDDIRPTR: BigInt(this.#directory), PASIDE: 1 });
    for (let i = 0; i < VMS; i++) {
      for (const guest of [...GUEST_TABLES, ...GUEST_DATA]) this.#place(i, guest);
      let used = 1;
      for (const [n, address] of INPUTS.entries()) {
        let at = GUEST_TABLES[0] ?? 0;
        for (let level = LEVELS; level > 1; level--) {
          const entry = this.#hostOf(i, at) + indexOf(address, level) * 8;
          if (memory.read64(entry) === 0n) {
            memory.write64(entry, BigInt(GUEST_TABLES[used] ?? 0) | FIRST_STAGE_TABLE);
            used++;
          }
          at = Number(memory.read64(entry) & ~0xfffn);
        }
        const leaf = BigInt(GUEST_DATA[n % 2] ?? 0) | FIRST_STAGE_LEAF;
        memory.write64(this.#hostOf(i, at) + indexOf(address, 1) * 8, leaf);
      }
    }
    for (let i = 1; i <= 3; i++) this.#bind(i, i % VMS);
    this.#bench.setRoot(this.#tables.root, TTM.scalable);
    this.#bench.command('TE');
  }

  take(next: Step): void {
    const { memory } = this.#bench;
    switch (next.kind) {
      case 'request':
        // Again and again: what comes often may be kept.
        for (let i = 0; i < 3; i++) this.request(next.pasid, next.input);
        break;
      case 'move': {
        const guest = GUEST_TABLES[next.page] ?? 0;
        const old = memory.readBytes(this.#hostOf(next.vm, guest), PAGE);
        const frame = this.#place(next.vm, guest);
        if (!next.isEmpty) memory.writeBytes(frame, old);
        break;
      }
      case 'rights': {
        const at = this.#secondStageEntry(next.vm, GUEST_TABLES[next.page] ?? 0, next.level);
        memory.write64(at, memory.read64(at) ^ SECOND_STAGE_RIGHTS);
        break;
      }
      case 'remap': {
        const target = BigInt(GUEST_DATA[next.to] ?? 0) | FIRST_STAGE_LEAF;
        const at = this.#leafOf(next.vm, next.input);
        if (at !== undefined) memory.write64(at, target);
        break;
      }
      case 'bind':
        this.#bind(next.pasid, next.vm);
        break;
      case 'snapshot':
        this.#snapshot = memory.snapshot();
        break;
      case 'restore':
        if (this.#snapshot !== undefined) memory.restore(this.#snapshot);
        break;
    }
  }

  /** Both ways; true when the request is answered with an address. */
  request(of: number, address: bigint): boolean {
    const request = { ...createIommuRequest(), rid: RID, pasid: of };
    request.high = Number(address >> 32n);
    request.low = Number(address & 0xffff_ffffn) | 0;
    const { unit } = this.#bench;
    const status = unit.translate(request);
    const found = { completion: status, ...unit.answer };
    const completion = unit.translation.translate(request);
    const expected = { completion, ...unit.answer };
    expect(found).toEqual(expected);
    return status === COMPLETION.success;
  }

  #bind(of: number, toVm: number): void {
    this.#tables.setPasidEntry(this.#directory, of, {
      PGTT: PGTT.nested,
      AW: AW.bits48,
      SSPTPTR: BigInt(this.#secondStages[toVm] ?? 0),
      FSPTPTR: BigInt(GUEST_TABLES[0] ?? 0),
      DID: toVm + 1,
    });
  }

  /** Puts a guest page into a frame of zeros, and gives its address. */
  #place(toVm: number, guest: number): number {
    const frame = this.#nextFrame;
    this.#nextFrame += PAGE;
    const top = this.#secondStages[toVm] ?? 0;
    this.#tables.map(top, LEVELS, BigInt(guest), BigInt(frame), {
      leaf: SECOND_STAGE_RIGHTS,
      table: SECOND_STAGE_RIGHTS,
    });
    return frame;
  }

  #secondStageEntry(ofVm: number, guest: number, level: number): number {
    return this.#tables.entryOf(this.#secondStages[ofVm] ?? 0, LEVELS, BigInt(guest), level);
  }

  #hostOf(ofVm: number, guest: number): number {
    return Number(this.#bench.memory.read64(this.#secondStageEntry(ofVm, guest, LEAF)) & ~0xfffn);
  }

  /** Address of the lowest first-stage entry of an input, unless a page on the way is empty. */
  #leafOf(ofVm: number, address: bigint): number | undefined {
    const { memory } = this.#bench;
    let at = GUEST_TABLES[0] ?? 0;
    for (let level = LEVELS; level > 1; level--) {
      const entry = memory.read64(this.#hostOf(ofVm, at) + indexOf(address, level) * 8);
      if (entry === 0n) return undefined;
      at = Number(entry & ~0xfffn);
    }
    return this.#hostOf(ofVm, at) + indexOf(address, 1) * 8;
  }
}

function indexOf(address: bigint, level: number): number {
  return Number((address >> BigInt(12 + (level - 1) * 9)) & 511n);
}

describe('requests through the tables of guests', () => {
  it('see each change of either stage at once', () => {
    checkProperty(
      fc.property(fc.array(step, { minLength: 30, maxLength: 150 }), (steps) => {
        const guests = new Guests();
        for (const next of steps) guests.take(next);
      }),
    );
  });

  it('are answered until something is changed', () => {
    const guests = new Guests();
    for (const address of INPUTS) expect(guests.request(1, address)).toBe(true);
    guests.take({ kind: 'rights', vm: 1, page: 0, level: 3 });
    for (const address of INPUTS) expect(guests.request(1, address)).toBe(false);
  });
});
