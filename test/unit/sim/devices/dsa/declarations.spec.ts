/** The accelerator's declarations against the byte tables of the specification and of public drivers. */
import { describe, expect, it } from 'vitest';
import type { Layout } from '../../../../../src-main/bits/layout.ts';
import { CMD, SWERROR } from '../../../../../src-main/spec/dsa/general-registers.ts';
import { COMMANDS, IMPLIED_COMMANDS } from '../../../../../src-main/spec/dsa/commands.ts';
import { DSA_COUNTERS } from '../../../../../src-main/spec/dsa/counters.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { EventLogEntry } from '../../../../../src-main/spec/dsa/event-log-entry.ts';
import { GroupConfig } from '../../../../../src-main/spec/dsa/group-config.ts';
import { IdptEntry } from '../../../../../src-main/spec/dsa/inter-domain.ts';
import { ImsEntry, MsixPermission } from '../../../../../src-main/spec/dsa/interrupt-entries.ts';
import { OPCODE, OPERATIONS, findOperation } from '../../../../../src-main/spec/dsa/operations.ts';
import { DSA_PROFILES } from '../../../../../src-main/spec/dsa/profiles.ts';
import { WqConfig } from '../../../../../src-main/spec/dsa/wq-config.ts';
import { COUNTER } from '../../../../../src-main/sim/devices/dsa/counters.ts';

type AnyLayout = Pick<Layout<never>, 'fields'>;

/** First and last byte of a field of a structure. */
function bytesOf(layout: unknown, name: string): readonly [number, number] {
  const field = (layout as AnyLayout).fields.find((f) => f.name === name);
  return [Math.floor((field?.low ?? -8) / 8), Math.floor((field?.high ?? -8) / 8)];
}

describe('descriptors', () => {
  it.each<readonly [number, string, number, number]>([
    [OPCODE.memoryMove, 'recordAddress', 8, 15],
    [OPCODE.memoryMove, 'source', 16, 23],
    [OPCODE.memoryMove, 'destination', 24, 31],
    [OPCODE.memoryMove, 'size', 32, 35],
    [OPCODE.memoryMove, 'interruptHandle', 36, 37],
    [OPCODE.memoryMove, 'opcode', 7, 7],
    [OPCODE.fill, 'patternHigh', 40, 47],
    [OPCODE.compare, 'expectedResult', 40, 40],
    [OPCODE.createDelta, 'delta', 40, 47],
    [OPCODE.createDelta, 'maxDeltaSize', 48, 51],
    [OPCODE.createDelta, 'expectedMask', 56, 56],
    [OPCODE.applyDelta, 'deltaSize', 40, 43],
    [OPCODE.dualcast, 'destination2', 40, 47],
    [OPCODE.translationFetch, 'stride', 48, 51],
    [OPCODE.crc, 'seed', 40, 47],
    [OPCODE.crc, 'seedAddress', 48, 55],
    [OPCODE.difUpdate, 'allOnesError', 40, 40],
    [OPCODE.difUpdate, 'passApp', 41, 41],
    [OPCODE.difUpdate, 'block', 42, 42],
    [OPCODE.difUpdate, 'sourceRef', 48, 51],
    [OPCODE.difUpdate, 'sourceMask', 52, 53],
    [OPCODE.difUpdate, 'sourceApp', 54, 55],
    [OPCODE.difUpdate, 'destinationRef', 56, 59],
    [OPCODE.difUpdate, 'destinationMask', 60, 61],
    [OPCODE.difUpdate, 'destinationApp', 62, 63],
    [OPCODE.updateWindow, 'windowEnable', 61, 61],
    [OPCODE.updateWindow, 'handle', 62, 63],
    [OPCODE.interDomainCopy, 'sourceHandle', 60, 61],
    [OPCODE.interDomainCopy, 'destinationHandle', 62, 63],
  ])('of operation %i have %s in bytes %i to %i', (code, name, first, last) => {
    expect(bytesOf(findOperation(code)?.descriptor, name)).toEqual([first, last]);
  });

  it('have the flags where drivers set them', () => {
    for (const [name, mask] of Object.entries(FLAG)) {
      const field = findOperation(OPCODE.memoryMove)?.descriptor.fields.find(
        (f) => f.name === name,
      );
      expect([name, 2 ** ((field?.low ?? 0) - 32)]).toEqual([name, mask]);
    }
  });
});

describe('completion records', () => {
  it.each<readonly [number, string, number, number]>([
    [OPCODE.memoryMove, 'status', 0, 0],
    [OPCODE.memoryMove, 'result', 1, 1],
    [OPCODE.memoryMove, 'bytesCompleted', 4, 7],
    [OPCODE.memoryMove, 'faultAddress', 8, 15],
    [OPCODE.memoryMove, 'invalidFlags', 16, 18],
    [OPCODE.createDelta, 'deltaSize', 16, 19],
    [OPCODE.crc, 'crc', 16, 23],
    [OPCODE.difCheck, 'sourceRef', 16, 19],
    [OPCODE.difCheck, 'sourceMask', 20, 21],
    [OPCODE.difCheck, 'sourceApp', 22, 23],
    [OPCODE.difInsert, 'destinationRef', 24, 27],
    [OPCODE.difInsert, 'destinationMask', 28, 29],
    [OPCODE.difInsert, 'destinationApp', 30, 31],
  ])('of operation %i have %s in bytes %i to %i', (code, name, first, last) => {
    expect(bytesOf(findOperation(code)?.record, name)).toEqual([first, last]);
  });
});

describe('tables', () => {
  it.each<readonly [string, unknown, string, number, number]>([
    ['WQCFG', WqConfig, 'threshold', 32, 47],
    ['WQCFG', WqConfig, 'priority', 68, 71],
    ['WQCFG', WqConfig, 'pasid', 72, 91],
    ['WQCFG', WqConfig, 'maxTransferShift', 96, 100],
    ['WQCFG', WqConfig, 'occupancyTable', 144, 144],
    ['WQCFG', WqConfig, 'state', 222, 223],
    ['GRPCFG', GroupConfig, 'engines', 256, 319],
    ['GRPCFG', GroupConfig, 'readBuffersReserved', 328, 335],
    ['GRPCFG', GroupConfig, 'readBuffersAllowed', 340, 347],
    ['GRPCFG', GroupConfig, 'batchLimit', 356, 357],
    ['IMS', ImsEntry, 'pending', 97, 97],
    ['IMS', ImsEntry, 'pasid', 108, 127],
    ['MSIXPERM', MsixPermission, 'pasid', 12, 31],
    ['IDPT', IdptEntry, 'accessPasid', 44, 63],
    ['SWERROR', SWERROR, 'pasid', 40, 59],
    ['SWERROR', SWERROR, 'information', 96, 127],
    ['event log', EventLogEntry, 'batchId', 24, 31],
    ['event log', EventLogEntry, 'recordHead', 256, 287],
  ])('%s has %s.%s at bits %i to %i', (_, layout, name, low, high) => {
    const field = (layout as AnyLayout).fields.find((f) => f.name === name);
    expect([field?.low, field?.high]).toEqual([low, high]);
  });

  it('encode the command examples of the specification', () => {
    const encode = (code: number, operand: number): number =>
      CMD.encode({ code, operand })[0] as number;
    expect(encode(6, 3)).toBe(0x0060_0003);
    expect(encode(8, 0b1001_0010)).toBe(0x0080_0092);
    expect(encode(8, (1 << 16) | (1 << 5) | (1 << 6))).toBe(0x0081_0060);
    expect(encode(13, 5)).toBe(0x00d0_0005);
    expect(encode(13, 0x1_0005)).toBe(0x00d1_0005);
  });
});

describe('catalogues', () => {
  it('agree with each other', () => {
    expect(COMMANDS.map((c) => c.code)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1));
    expect(IMPLIED_COMMANDS).toBe(
      COMMANDS.filter((c) => c.code <= 12).reduce((mask, c) => mask + 2 ** c.code, 0),
    );
    expect(Object.keys(COUNTER)).toEqual(DSA_COUNTERS.map(([name]) => name));
    expect(DSA_PROFILES.v2.operations).toEqual(OPERATIONS.map((o) => o.code));
  });

  it('explain every field in a sentence', () => {
    const layouts = [
      WqConfig,
      GroupConfig,
      ImsEntry,
      MsixPermission,
      IdptEntry,
      SWERROR,
      EventLogEntry,
      CMD,
      ...OPERATIONS.flatMap((o) => [o.descriptor, o.record]),
    ];
    const silent = layouts.flatMap((layout) =>
      (layout as unknown as AnyLayout).fields
        .filter((f) => f.spec.role === 'value' && !(f.spec.note ?? '').endsWith('.'))
        .map((f) => f.name),
    );
    expect([...new Set(silent)]).toEqual([]);
  });
});
