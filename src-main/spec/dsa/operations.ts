/**
 * Operations: code, descriptor, completion record and the flags each of them takes. DSA 3.0 table 8-2, sections 5.5, 8.3.
 *
 * Not declared: the compute and scatter-gather operations 18h to 1Eh of version 3, and codes that only early public
 * headers list (27h, 33h to 37h).
 */
import { invariant } from '../../bits/invariant.ts';
import type { Structure } from '../../bits/structure.ts';
import * as d from './operation-descriptors.ts';
import { AnyDescriptor, FLAG, PlainRecord } from './descriptor.ts';

export const OPCODE = {
  noop: 0x00,
  batch: 0x01,
  drain: 0x02,
  memoryMove: 0x03,
  fill: 0x04,
  compare: 0x05,
  comparePattern: 0x06,
  createDelta: 0x07,
  applyDelta: 0x08,
  dualcast: 0x09,
  translationFetch: 0x0a,
  crc: 0x10,
  copyCrc: 0x11,
  difCheck: 0x12,
  difInsert: 0x13,
  difStrip: 0x14,
  difUpdate: 0x15,
  dixGenerate: 0x17,
  cacheFlush: 0x20,
  updateWindow: 0x21,
  interDomainCopy: 0x23,
  interDomainFill: 0x24,
  interDomainCompare: 0x25,
  interDomainComparePattern: 0x26,
} as const;
export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** An operation's own flag that exists only with a capability. */
export interface OwnFlag {
  readonly mask: number;
  readonly capability?: string;
}

export interface OperationSpec {
  readonly code: number;
  readonly title: string;
  readonly since: 1 | 2;
  readonly descriptor: Structure;
  readonly record: Structure;
  /** Flags that may be 1 besides the ones about fence, completion record and interrupt, and the operation's own. */
  readonly flags: number;
  readonly ownFlags: readonly OwnFlag[];
  /** Own flags that must be 1: at least one of each mask. */
  readonly ownRequired: readonly number[];
  readonly requires: 'nothing' | 'record' | 'recordOrInterrupt';
  readonly canBeInBatch: boolean;
  readonly isInterDomain: boolean;
}

const BOF = FLAG.blockOnFault;
const CHECK = FLAG.checkResult;
const T1 = FLAG.tc1;
const T2 = FLAG.tc2;
const T3 = FLAG.tc3;
/** Cache control and ordering of operations that write memory. */
const WRITE = FLAG.cacheControl1 | FLAG.cacheControl2 | FLAG.cacheControl3 | FLAG.strictOrdering;

const own = (bitIndex: number, capability?: string): OwnFlag => ({
  mask: 2 ** bitIndex,
  ...(capability === undefined ? {} : { capability }),
});

interface Options {
  readonly since?: 2;
  readonly record?: Structure;
  readonly own?: readonly OwnFlag[];
  readonly ownRequired?: readonly number[];
  readonly requires?: 'record' | 'recordOrInterrupt';
  readonly canBeInBatch?: false;
  readonly isInterDomain?: true;
}

function operation(
  code: number,
  title: string,
  descriptor: unknown,
  flags: number,
  options: Options = {},
): OperationSpec {
  return {
    code,
    title,
    since: options.since ?? 1,
    descriptor: descriptor as Structure,
    record: options.record ?? (PlainRecord as unknown as Structure),
    flags,
    ownFlags: options.own ?? [],
    ownRequired: options.ownRequired ?? [],
    requires: options.requires ?? 'nothing',
    canBeInBatch: options.canBeInBatch ?? true,
    isInterDomain: options.isInterDomain ?? false,
  };
}

const record = (structure: unknown): { readonly record: Structure } => ({
  record: structure as Structure,
});
const withRecord = { requires: 'record' } as const;
const v2 = { since: 2 } as const;
const interDomain = { since: 2, isInterDomain: true } as const;
const CRC_FLAGS = [own(16), own(17), own(18), own(19, 'CRC64')];

export const OPERATIONS: readonly OperationSpec[] = [
  operation(OPCODE.noop, 'No-op', d.NoopDescriptor, 0),
  operation(OPCODE.batch, 'Batch', d.BatchDescriptor, T1, {
    own: [own(16, 'BATCH_CONTINUATION')],
    canBeInBatch: false,
  }),
  operation(OPCODE.drain, 'Drain', d.DrainDescriptor, T1 | T2, {
    own: [own(16, 'DRAIN_READBACK'), own(17, 'DRAIN_READBACK'), own(18), own(19)],
    requires: 'recordOrInterrupt',
    canBeInBatch: false,
  }),
  operation(OPCODE.memoryMove, 'Memory Move', d.MoveDescriptor, BOF | WRITE | T1 | T2),
  operation(OPCODE.fill, 'Fill', d.FillDescriptor, BOF | WRITE | T2, { own: [own(18, 'FILL16')] }),
  operation(OPCODE.compare, 'Compare', d.CompareDescriptor, BOF | CHECK | T1 | T2, withRecord),
  operation(
    OPCODE.comparePattern,
    'Compare Pattern',
    d.ComparePatternDescriptor,
    BOF | CHECK | T1,
    withRecord,
  ),
  operation(
    OPCODE.createDelta,
    'Create Delta Record',
    d.CreateDeltaDescriptor,
    BOF | CHECK | WRITE | T1 | T2 | T3,
    {
      ...withRecord,
      ...record(d.DeltaRecord),
    },
  ),
  operation(OPCODE.applyDelta, 'Apply Delta Record', d.ApplyDeltaDescriptor, BOF | WRITE | T1 | T2),
  operation(
    OPCODE.dualcast,
    'Memory Copy with Dualcast',
    d.DualcastDescriptor,
    BOF | WRITE | T1 | T2 | T3,
  ),
  operation(OPCODE.translationFetch, 'Translation Fetch', d.TranslationFetchDescriptor, BOF, {
    ...v2,
    own: [own(16, 'TRANSLATION_FETCH_STRIDE')],
  }),
  operation(OPCODE.crc, 'CRC Generation', d.CrcDescriptor, BOF | T1 | T3, {
    ...withRecord,
    ...record(d.CrcRecord),
    own: CRC_FLAGS,
  }),
  operation(
    OPCODE.copyCrc,
    'Copy with CRC Generation',
    d.CopyCrcDescriptor,
    BOF | WRITE | T1 | T2 | T3,
    {
      ...withRecord,
      ...record(d.CrcRecord),
      own: CRC_FLAGS,
    },
  ),
  operation(OPCODE.difCheck, 'DIF Check', d.DifCheckDescriptor, BOF | T1, {
    ...withRecord,
    ...record(d.DifSourceRecord),
  }),
  operation(
    OPCODE.difInsert,
    'DIF Insert',
    d.DifInsertDescriptor,
    BOF | WRITE | T1 | T2,
    record(d.DifDestinationRecord),
  ),
  operation(
    OPCODE.difStrip,
    'DIF Strip',
    d.DifStripDescriptor,
    BOF | WRITE | T1 | T2,
    record(d.DifSourceRecord),
  ),
  operation(
    OPCODE.difUpdate,
    'DIF Update',
    d.DifUpdateDescriptor,
    BOF | WRITE | T1 | T2,
    record(d.DifUpdateRecord),
  ),
  operation(OPCODE.dixGenerate, 'DIX Generate', d.DixGenerateDescriptor, BOF | WRITE | T1 | T2, {
    ...v2,
    ...withRecord,
    ...record(d.DifDestinationRecord),
  }),
  operation(
    OPCODE.cacheFlush,
    'Cache Flush',
    d.CacheFlushDescriptor,
    BOF | FLAG.strictOrdering | FLAG.cacheControl2 | T2,
  ),
  operation(OPCODE.updateWindow, 'Update Window', d.UpdateWindowDescriptor, 0, {
    ...interDomain,
    own: [own(16)],
    canBeInBatch: false,
  }),
  operation(
    OPCODE.interDomainCopy,
    'Inter-domain Memory Copy',
    d.InterDomainCopyDescriptor,
    BOF | WRITE | T1 | T2,
    {
      ...interDomain,
      own: [own(16), own(17)],
      ownRequired: [0x3_0000],
    },
  ),
  operation(
    OPCODE.interDomainFill,
    'Inter-domain Fill',
    d.InterDomainFillDescriptor,
    BOF | WRITE | T2,
    {
      ...interDomain,
      own: [own(17), own(18, 'FILL16')],
      ownRequired: [0x2_0000],
    },
  ),
  operation(
    OPCODE.interDomainCompare,
    'Inter-domain Compare',
    d.InterDomainCompareDescriptor,
    BOF | CHECK | T1 | T2,
    {
      ...interDomain,
      ...withRecord,
      own: [own(16), own(17)],
      ownRequired: [0x3_0000],
    },
  ),
  operation(
    OPCODE.interDomainComparePattern,
    'Inter-domain Compare Pattern',
    d.InterDomainComparePatternDescriptor,
    BOF | CHECK | T1,
    { ...interDomain, ...withRecord, own: [own(16)], ownRequired: [0x1_0000] },
  ),
];

const byCode: readonly (OperationSpec | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  OPERATIONS.find((o) => o.code === code),
);
invariant(
  OPERATIONS.length === Object.keys(OPCODE).length,
  'Every operation code has a declaration',
);

export function findOperation(code: number): OperationSpec | undefined {
  return byCode[code];
}

/** Structure by which the words of a descriptor decode. */
export function descriptorStructure(code: number): Structure {
  return byCode[code]?.descriptor ?? (AnyDescriptor as unknown as Structure);
}

export function recordStructure(code: number): Structure {
  return byCode[code]?.record ?? (PlainRecord as unknown as Structure);
}

/** Names for trace fields. */
export const OPERATION_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  OPERATIONS.map((o) => [o.code, o.title]),
);
