/**
 * With all caches off, each request gets what root, context, directory and PASID table entries say at that moment, however many
 * spaces take turns and whatever the unit has kept from requests before.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FIRST_STAGE,
  PAGE,
  PagingTables,
  SECOND_STAGE,
} from '../../src-main/services/bench/paging-tables.ts';
import { RID, WalkScene } from '../../src-main/services/bench/walk-scene.ts';
import { ScalableContextEntry } from '../../src-main/spec/vtd/context-entry.ts';
import { RTADDR_REG } from '../../src-main/spec/vtd/registers/global-command.ts';
import { ScalableRootEntry } from '../../src-main/spec/vtd/root-entry.ts';
import { busOf } from '../../src-main/spec/pcie/requester-id.ts';
import { COMPLETION, createIommuRequest } from '../../src-main/sim/index.ts';
import { checkProperty } from '../support/check-property.ts';

const INPUT = 0x12_3000;
/** Some share a table, 1 and 1024 or 2 and 1027 a slot of `StructureMemo`, 1 and 1025 their lowest ten bits. */
const PASIDS = [1, 2, 65, 1024, 1025, 1027, 0xf_fc01];
const SPACES = 4;
const UNBOUND = -1;

/** What happens next: a PASID, and the space that it is bound to from now on, or `undefined` for a request. */
type Step = readonly [pasid: number, space: number | undefined];

const step = fc.tuple(
  fc.constantFrom(...PASIDS),
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.integer({ min: UNBOUND, max: SPACES - 1 }) },
  ),
);

/** Frame that `INPUT` leads to in a space; half of the spaces are of the first stage. */
class Spaces {
  readonly scene = new WalkScene();
  readonly #tables = Array.from({ length: SPACES }, (_, i) => {
    const tables = new PagingTables(this.scene.space, i % 2 === 0 ? SECOND_STAGE : FIRST_STAGE);
    tables.map(INPUT, frameOf(i));
    return tables.root;
  });

  bind(pasid: number, space: number): void {
    const root = this.#tables[space] ?? 0;
    const domain = space + 1;
    this.scene.bind(
      pasid,
      space % 2 === 0
        ? { type: 'secondStage', secondStage: root, domain }
        : { type: 'firstStage', firstStage: root, domain },
    );
  }

  unbind(pasid: number): void {
    // Binding writes the whole entry; what is left to do is to take P away.
    this.bind(pasid, 0);
    const at = this.scene.entryOf(pasid);
    this.scene.memory.write32(at, this.scene.memory.read32(at) & ~1);
  }

  /** Addresses of root and context entry, and of the directory entry of PASID 1. */
  entriesAboveFirst(): readonly number[] {
    const { memory, unit } = this.scene;
    const pointer = (at: number): number => Number(memory.read64(at) & ~0xfffn);
    const root =
      Number(unit.read(RTADDR_REG.offset, 8) & ~0xfffn) + busOf(RID) * ScalableRootEntry.bytes;
    const context = pointer(root) + (RID % 128) * ScalableContextEntry.bytes;
    return [root, context, pointer(context)];
  }

  /** Frame and domain that a request gets, or `undefined` when it is refused. */
  request(pasid: number): readonly [frame: number, domain: number] | undefined {
    const request = { ...createIommuRequest(), rid: RID, pasid, low: INPUT };
    const { unit } = this.scene;
    if (unit.translate(request) !== COMPLETION.success) return undefined;
    return [unit.answer.high * 2 ** 32 + (unit.answer.low >>> 0), unit.answer.domainId];
  }
}

function frameOf(space: number): number {
  return 0x4000_0000 + space * PAGE;
}

function run(steps: readonly Step[]): void {
  const spaces = new Spaces();
  const bound = new Map<number, number>();
  for (const [pasid, space] of steps) {
    if (space === undefined) {
      const at = bound.get(pasid);
      const expected = at === undefined ? undefined : [frameOf(at), at + 1];
      // Each twice more: what comes often may be kept.
      for (let i = 0; i < 3; i++) expect(spaces.request(pasid)).toEqual(expected);
    } else if (space === UNBOUND) {
      spaces.unbind(pasid);
      bound.delete(pasid);
    } else {
      spaces.bind(pasid, space);
      bound.set(pasid, space);
    }
  }
}

describe('requests of many spaces in turns', () => {
  it('see each change of a PASID table entry at once', () => {
    checkProperty(fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), run));
  });

  it('see a change of the directory, of the context entry and of the root', () => {
    const spaces = new Spaces();
    const { memory } = spaces.scene;
    PASIDS.forEach((pasid, i) => {
      spaces.bind(pasid, i % SPACES);
    });
    const all = (): readonly unknown[] => PASIDS.map((pasid) => spaces.request(pasid));
    const before = all();
    expect(before).not.toContain(undefined);
    expect(all()).toEqual(before);
    for (const at of spaces.entriesAboveFirst()) {
      const word = memory.read32(at);
      memory.write32(at, 0);
      expect(spaces.request(1)).toBeUndefined();
      memory.write32(at, word);
      expect(all()).toEqual(before);
      expect(all()).toEqual(before);
    }
  });
});
