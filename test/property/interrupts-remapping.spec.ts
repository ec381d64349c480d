import fc from 'fast-check';
import { expect, it } from 'vitest';
import { COMPLETION } from '../../src-main/sim/pcie/ports.ts';
import { PostedInterruptDescriptor } from '../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import { ROM_BASE, ROM_BYTES } from '../support/cpu-bench.ts';
import { checkProperty, propertyOptions } from '../support/check-property.ts';
import {
  DESCRIPTOR,
  InterruptBench,
  SID,
  TABLE,
  postedEntry,
  remappedEntry,
  withBit,
  xapicEntry,
} from '../support/interrupt-bench.ts';

/** `value` bits high:low. */
function field(value: bigint, high: number, low: number): bigint {
  return (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
}

function bigOfWords(words: ArrayLike<number>): bigint {
  return Array.from(words).reduceRight((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
}

interface Modes {
  readonly isEnabled: boolean;
  readonly isExtended: boolean;
  readonly cfis: boolean;
  readonly irreq: boolean;
  readonly eimer: boolean;
  readonly pi: boolean;
  readonly size: number;
}

interface Request {
  readonly rid: number;
  readonly address: number;
  readonly data: number;
}

interface Outcome {
  /** Message as it reaches the CPUs. */
  readonly message?: { readonly address: bigint; readonly data: number };
  /** 0 for success. */
  readonly fault: number;
  readonly isRecorded?: boolean;
  /** Descriptor that was written. */
  readonly posted?: { readonly address: number; readonly value: bigint };
}

/** Memory before the request. */
interface World {
  readEntry(index: number): bigint;
  /** Undefined where there is no memory. */
  readDescriptor(address: bigint): bigint | undefined;
  isWritable(address: bigint): boolean;
}

const HAW = 46;

/**
 * Interrupt remapping written straight from the processing order of VT-d 5.10 sections 5.1.4 and 5.2.3 and the layouts of
 * sections 5.1.2 and 9.9 to 9.11, with bit numbers as printed and no state.
 */
function oracle(modes: Modes, request: Request, world: World): Outcome {
  const fault = (code: number, isRecorded = true): Outcome => ({ fault: code, isRecorded });
  const address = BigInt(request.address);
  const data = BigInt(request.data);
  const unchanged: Outcome = { message: { address, data: request.data }, fault: 0 };
  if (!modes.isEnabled) {
    return modes.irreq ? fault(0x2b) : unchanged;
  }
  if (modes.eimer && !modes.isExtended) {
    return fault(0x2a);
  }
  if (field(address, 4, 4) === 0n) {
    return modes.isExtended || !modes.cfis ? fault(0x25) : unchanged;
  }
  const shv = field(address, 3, 3) === 1n;
  if (shv && field(data, 31, 16) !== 0n) {
    return fault(0x20);
  }
  const handle = (field(address, 2, 2) << 15n) | field(address, 19, 5);
  const index = handle + (shv ? field(data, 15, 0) : 0n);
  if (index >= 2n ** BigInt(modes.size + 1)) {
    return fault(0x21);
  }
  const entry = world.readEntry(Number(index));
  const fpd = field(entry, 1, 1) === 1n;
  if (field(entry, 0, 0) === 0n) {
    return fault(0x22, !fpd);
  }
  const svt = field(entry, 83, 82);
  const sid = field(entry, 79, 64);
  const rid = BigInt(request.rid);
  if (svt === 1n) {
    const mask = [0xffffn, 0xfffbn, 0xfff9n, 0xfff8n][Number(field(entry, 81, 80))]!;
    if ((rid & mask) !== (sid & mask)) {
      return fault(0x26, !fpd);
    }
  }
  if (svt === 2n && (rid >> 8n < field(sid, 15, 8) || rid >> 8n > field(sid, 7, 0))) {
    return fault(0x26, !fpd);
  }
  const isPosted = field(entry, 15, 15) === 1n;
  const zeros = isPosted
    ? [[7, 2], [13, 12], [37, 24], [95, 84], [127, HAW - 32 + 96], ...(modes.pi ? [] : [[15, 15]])]
    : [
        [14, 12],
        [31, 24],
        [95, 84],
        [127, 96],
        ...(modes.isExtended
          ? []
          : [
              [39, 32],
              [63, 48],
            ]),
      ];
  const modesKnown = [0n, 1n, 2n, 4n, 5n, 7n].includes(field(entry, 7, 5));
  if (
    svt === 3n ||
    zeros.some(([high, low]) => field(entry, high!, low!) !== 0n) ||
    (!isPosted && !modesKnown)
  ) {
    return fault(0x24, !fpd);
  }
  if (!isPosted) {
    const dst = modes.isExtended ? field(entry, 63, 32) : field(entry, 47, 40);
    const message =
      (field(dst, 31, 8) << 40n) |
      (0xfeen << 20n) |
      (field(dst, 7, 0) << 12n) |
      (field(entry, 3, 3) << 3n) |
      (field(entry, 2, 2) << 2n);
    const out =
      field(entry, 23, 16) | (field(entry, 7, 5) << 8n) | (1n << 14n) | (field(entry, 4, 4) << 15n);
    return { message: { address: message, data: Number(out) }, fault: 0 };
  }
  const pda = (field(entry, 127, 96) << 32n) | (field(entry, 63, 38) << 6n);
  const held = world.readDescriptor(pda);
  if (held === undefined) {
    return fault(0x27, !fpd);
  }
  const pidZeros = [
    [271, 258],
    [287, 280],
    [511, 320],
    ...(modes.isExtended
      ? []
      : [
          [295, 288],
          [319, 304],
        ]),
  ];
  if (pidZeros.some(([high, low]) => field(held, high!, low!) !== 0n)) {
    return fault(0x28, !fpd);
  }
  if (!world.isWritable(pda)) {
    return fault(0x27, !fpd);
  }
  const notifies =
    field(held, 256, 256) === 0n && (field(entry, 14, 14) === 1n || field(held, 257, 257) === 0n);
  const ndst = modes.isExtended ? field(held, 319, 288) : field(held, 303, 296);
  const value = held | (1n << field(entry, 23, 16)) | (notifies ? 1n << 256n : 0n);
  return {
    fault: 0,
    posted: { address: Number(pda), value },
    ...(notifies
      ? {
          message: {
            address: (field(ndst, 31, 8) << 40n) | (0xfeen << 20n) | (field(ndst, 7, 0) << 12n),
            data: Number(field(held, 279, 272)) | (1 << 14),
          },
        }
      : {}),
  };
}

const modes: fc.Arbitrary<Modes> = fc.record({
  isEnabled: fc.constantFrom(true, true, true, false),
  isExtended: fc.boolean(),
  cfis: fc.boolean(),
  irreq: fc.boolean(),
  eimer: fc.constantFrom(false, false, false, true),
  pi: fc.constantFrom(true, true, true, false),
  size: fc.constantFrom(0, 3, 15, 15, 15),
});

const flips = (widthBits: number): fc.Arbitrary<readonly number[]> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(fc.nat({ max: widthBits - 1 }), { maxLength: 2 }) },
  );

function flip(words: Uint32Array, positions: readonly number[]): Uint32Array {
  return positions.reduce((changed, bit) => withBit(changed, bit), words);
}

const byte = fc.nat({ max: 255 });

const entry: fc.Arbitrary<Uint32Array> = fc
  .record({
    form: fc.constantFrom('extended', 'xapic', 'posted', 'posted', 'noise'),
    V: byte,
    DST: byte,
    DLM: fc.constantFrom(0, 0, 0, 1, 2, 4, 5, 7, 3),
    bit: fc.constantFrom(0, 1),
    SVT: fc.constantFrom(0, 1, 1, 2, 3),
    SQ: fc.nat({ max: 3 }),
    SID: fc.constantFrom(SID, SID + 1, 0x0303, 0x0005),
    PDA: fc.constantFrom(DESCRIPTOR, DESCRIPTOR, DESCRIPTOR, ROM_BASE, 0x4000_0000).map(BigInt),
    noise: fc.array(fc.nat({ max: 0xffff_ffff }), { minLength: 4, maxLength: 4 }),
    P: fc.constantFrom(1, 1, 1, 1, 0),
    flips: flips(128),
  })
  .map(({ form, V, DST, DLM, bit, PDA, noise, flips: positions, P, ...source }) => {
    const remapped = { P, V, DST, DLM, RH: bit, DM: bit, TM: bit, FPD: bit, ...source };
    const words = {
      extended: () => remappedEntry(remapped),
      xapic: () => xapicEntry(remapped),
      posted: () => postedEntry({ P, VV: V, URG: bit, PDA, ...source }),
      noise: () => Uint32Array.from(noise),
    }[form]();
    return flip(words, positions);
  });

const descriptor: fc.Arbitrary<Uint32Array> = fc
  .record({
    PIR: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
    ON: fc.constantFrom(0, 1),
    SN: fc.constantFrom(0, 1),
    NV: byte,
    NDST: fc.oneof(
      byte.map((id) => id * 256),
      fc.nat({ max: 0xffff_ffff }),
    ),
    flips: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, flips(512)),
  })
  .map(({ flips: positions, ...values }) =>
    flip(PostedInterruptDescriptor.encode(values), positions),
  );

/** Entries 0 to 2 exist; other indexes read as zeros. */
const request: fc.Arbitrary<Request> = fc.record({
  rid: fc.constantFrom(SID, SID, SID, SID + 1, SID + 4, 0x0500, 0xffff),
  address: fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 2 }).map((i) => (0xfee0_0010 | (i << 5)) >>> 0) },
    { weight: 2, arbitrary: fc.nat({ max: 2 }).map((i) => (0xfee0_0018 | (i << 5)) >>> 0) },
    { weight: 2, arbitrary: fc.nat({ max: 0xf_ffff }).map((low) => (0xfee0_0000 | low) >>> 0) },
  ),
  data: fc.oneof(fc.constantFrom(0, 1, 2, 0xffff), fc.nat({ max: 0xffff_ffff })),
});

function readBig(bench: InterruptBench, address: number, words: number): bigint {
  const into = new Uint32Array(words);
  bench.memory.readWords(address, into);
  return bigOfWords(into);
}

function worldOf(bench: InterruptBench): World {
  return {
    readEntry: (index) => readBig(bench, TABLE + index * 16, 4),
    readDescriptor: (address) =>
      bench.memory.isMemory(Number(address)) ? readBig(bench, Number(address), 16) : undefined,
    isWritable: (address) => address < BigInt(ROM_BASE) || address >= BigInt(ROM_BASE + ROM_BYTES),
  };
}

it('does what the order of section 5.1.4 says, for any modes, entries and requests', () => {
  const seen = new Set<string>();
  const property = fc.property(
    modes,
    fc.array(entry, { minLength: 3, maxLength: 3 }),
    descriptor,
    fc.array(request, { minLength: 1, maxLength: 8 }),
    (given, entries, held, requests) => {
      const bench = new InterruptBench({
        isEnabled: given.isEnabled,
        isExtended: given.isExtended,
        isCompatibilityPassed: given.cfis,
        size: given.size,
        haw: HAW,
        flags: { IRREQ: given.irreq, EIMER: given.eimer, PI: given.pi },
      });
      entries.forEach((words, i) => {
        bench.setEntry(i, words);
      });
      for (const one of requests) {
        bench.memory.writeWords(DESCRIPTOR, held);
        bench.delivered.length = 0;
        bench.faults.length = 0;
        const expected = oracle(given, one, worldOf(bench));
        const status = bench.remapping.remap(one.rid, 0, one.address, one.data);
        const written = expected.posted ?? { address: DESCRIPTOR, value: bigOfWords(held) };
        expect({
          messages: bench.delivered,
          faults: bench.faults.map((f) => f.reason),
          isSuccess: status === COMPLETION.success,
          descriptor: readBig(bench, written.address, 16),
        }).toEqual({
          messages: expected.message === undefined ? [] : [expected.message],
          faults: expected.isRecorded === true ? [expected.fault] : [],
          isSuccess: expected.fault === 0,
          descriptor: written.value,
        });
        seen.add(expected.fault === 0 ? 'success' : expected.fault.toString(16));
      }
    },
  );
  const options = propertyOptions();
  fc.assert(property, { ...options, numRuns: Math.max(options.numRuns, 300) });
  // The generator reaches every step of the order.
  const codes = ['20', '21', '22', '24', '25', '26', '27', '28', '2a', '2b', 'success'];
  expect([...seen].sort()).toEqual(codes);
});

it('the cache changes nothing as long as software invalidates what it changes', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('request' as const), index: fc.nat({ max: 31 }), words: entry }),
    fc.record({ kind: fc.constant('change' as const), index: fc.nat({ max: 31 }), words: entry }),
    fc.record({ kind: fc.constant('group' as const), index: fc.nat({ max: 31 }), words: entry }),
  );
  checkProperty(
    fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.constantFrom(4, 8, 64),
      (steps, cacheEntries) => {
        const cached = new InterruptBench({ cacheEntries });
        const plain = new InterruptBench();
        for (const { kind, index, words } of steps) {
          for (const bench of [cached, plain]) {
            if (kind === 'request') {
              bench.request(index);
              continue;
            }
            // A group of four entries changes under one masked invalidation.
            const first = kind === 'group' ? index - (index % 4) : index;
            const count = kind === 'group' ? 4 : 1;
            for (let i = first; i < first + count; i++) {
              bench.setEntry(i, words);
            }
            bench.remapping.invalidateIndex(index, kind === 'group' ? 2 : 0);
          }
        }
        expect(cached.delivered).toEqual(plain.delivered);
        expect(cached.faults).toEqual(plain.faults);
        expect(cached.descriptor()).toEqual(plain.descriptor());
        expect(cached.remapping.cachedEntries().every((e) => !e.isStale)).toBe(true);
        const state = structuredClone(cached.remapping.snapshot());
        const copy = new InterruptBench({ cacheEntries });
        copy.remapping.restore(state);
        expect(copy.remapping.snapshot()).toEqual(state);
      },
    ),
  );
});

it('never throws, whatever the table register and the message hold', () => {
  const word = fc.nat({ max: 0xffff_ffff });
  checkProperty(
    fc.property(word, word, fc.nat({ max: 15 }), fc.boolean(), word, word, word, (...given) => {
      const [high, low, size, isExtended, rid, address, data] = given;
      const bench = new InterruptBench({ cacheEntries: 16 });
      const base = (low & ~0xfff) >>> 0;
      bench.remapping.latchTable(high, base, size, isExtended);
      const status = bench.remapping.remap(
        rid & 0xffff,
        0,
        (0xfee0_0000 | (address & 0xf_ffff)) >>> 0,
        data,
      );
      const isBlocked = status === COMPLETION.unsupportedRequest;
      expect(bench.remapping.counters).toMatchObject({ requests: 1, blocked: isBlocked ? 1 : 0 });
      expect(bench.faults).toHaveLength(isBlocked ? 1 : 0);
      expect(bench.remapping.table).toEqual({
        high,
        low: base,
        entries: 2 ** (size + 1),
        isExtended,
      });
    }),
  );
});
