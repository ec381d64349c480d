import { describe, expect, it } from 'vitest';
import {
  allFaultReasons,
  faultCodes,
  faultCodeTitle,
  faultReason,
  faultReasonsOf,
  findFaultReason,
  isFaultRecorded,
} from '../../../../src-main/spec/vtd/faults.ts';
import {
  faultReasons,
  REQUEST_CLASSES,
  type RequestClass,
} from '../../../../src-main/spec/vtd/fault-reasons/fault-reason.ts';
import {
  INVALIDATION_QUEUE_ERRORS,
  invalidationQueueError,
} from '../../../../src-main/spec/vtd/invalidation-queue-error.ts';
import { vtd } from '../../../../src-main/spec/source.ts';

function answers(mnemonic: string): string {
  const reason = findFaultReason(mnemonic);
  return REQUEST_CLASSES.map((c) => reason?.responses[c] ?? '-').join(' ');
}

describe('fault reasons', () => {
  it('cover every code of the specification', () => {
    const expected = [
      ...[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e],
      ...[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b],
      ...[0x30, 0x31, 0x32, 0x33, 0x34, 0x38, 0x39, 0x3a],
      ...[0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49],
      ...[0x50, 0x51, 0x52, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x60],
      ...[0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d],
      ...[0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x89, 0x90, 0x91],
      ...[0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5],
    ];
    expect(faultCodes()).toEqual(expected);
  });

  it('have unique mnemonics and unique titles within a code', () => {
    const all = allFaultReasons();
    expect(new Set(all.map((r) => r.mnemonic)).size).toBe(all.length);
    for (const code of faultCodes()) {
      const titles = faultReasonsOf(code).map((r) => r.title);
      expect(new Set(titles).size).toBe(titles.length);
    }
  });

  it('have one title for each code, shared ones included', () => {
    expect(faultCodes().filter((code) => faultCodeTitle(code) === undefined)).toEqual([]);
    expect(faultCodeTitle(0x59)).toBe('PASID table entry not present');
    expect(faultCodeTitle(0x5b)).toBe('PASID entry programmed with something the unit cannot do');
    expect(faultCodeTitle(0x82)).toBeUndefined();
    expect(faultReasonsOf(0x82)).toEqual([]);
  });

  it('end their sentences with a full stop and say what usually causes them', () => {
    for (const { explanation, usualCause, mnemonic } of allFaultReasons()) {
      expect(`${mnemonic}: ${explanation}`).toMatch(/: [A-Z].{20,}\.$/);
      expect(`${mnemonic}: ${usualCause}`).toMatch(/: [A-Z].{10,}\.$/);
    }
  });

  it.each([
    ['LRT.1', 'UR - CA - UR - -'],
    ['LCT.2', 'UR - UR - UR - -'],
    ['LCT.5', '- - UR - UR - -'],
    ['LGN.2', 'UR - Seff - - - -'],
    ['RTA.1.2', 'UR UR CA CA UR UR IR'],
    ['RTA.2', '- UR - UR - UR -'],
    ['RTA.3', '- - - - - - IR'],
    ['RTA.4', 'UR UR UR UR UR UR IR'],
    ['SRT.2', 'UR UR UR UR UR UR IR'],
    ['SCT.3', 'UR UR CA CA UR UR IR'],
    ['SCT.4.3', 'UR - CA - UR UR IR'],
    ['SCT.5', '- - UR UR UR UR -'],
    ['SCT.6', '- UR - UR - - IR'],
    ['SCT.8', '- - - - - - IR'],
    ['SPD.1', 'UR UR CA CA CA CA IR'],
    ['SPD.2', 'UR UR S0 S0 UR UR IR'],
    ['SPT.5', '- UR - S0 - - -'],
    ['SPT.6', 'UR UR S0 S0 - - -'],
    ['SFS.2', 'UR UR S0 S0 - - -'],
    ['SSS.3', 'UR UR CA CA - - -'],
    ['SSS.2', 'UR UR S0 S0 - - -'],
    ['SGN.4.1', '- - - - UR UR -'],
    ['SGN.6', 'UR UR Seff Seff - - -'],
    ['SGN.8.2', '- - CA CA - - -'],
    ['SGN.10', '- UR - UR - UR -'],
    ['HPT.1', '- - - - CA CA -'],
    ['HPT.4', '- - - - UR UR -'],
    ['IR.22', 'UR - - - - - -'],
  ])('%s answers %s', (mnemonic, expected) => {
    expect(answers(mnemonic)).toBe(expected);
  });

  it('are qualified unless an entry with FPD can not have been seen', () => {
    const unqualified = allFaultReasons()
      .filter((r) => !r.isQualified)
      .map((r) => r.mnemonic);
    expect(unqualified).toEqual([
      ...['LRT.1', 'LRT.2', 'LRT.3', 'LCT.1'],
      ...['RTA.1.1', 'RTA.1.2', 'RTA.1.3', 'RTA.1.4', 'RTA.2', 'RTA.3', 'RTA.4', 'RTA.5'],
      ...['SRT.1', 'SRT.2', 'SRT.3', 'SCT.1', 'SPD.1', 'SPT.1'],
      ...['IR.20', 'IR.21', 'IR.23', 'IR.25', 'IR.29', 'IR.2A', 'IR.2B'],
    ]);
  });

  it.each<[Parameters<typeof faultReason>[0], RequestClass, boolean]>([
    ['SFS.2', 'UP', true],
    ['SFS.2', 'TP', false],
    ['SFS.10', 'TP', true],
    ['SGN.6', 'T', false],
    ['SSS.3', 'T', true],
    ['SCT.8', 'P', true],
    ['SCT.8', 'U', false],
    ['LGN.3', 'T', false],
  ])('%s of request %s is recorded: %s', (mnemonic, requestClass, expected) => {
    expect(isFaultRecorded(faultReason(mnemonic), requestClass)).toBe(expected);
  });

  it('say when the record holds an interrupt index or nothing', () => {
    const without = allFaultReasons().filter((r) => r.information === 'nothing');
    expect(without.map((r) => r.code)).toEqual([0x20, 0x25, 0x29, 0x2a, 0x2b]);
    const interrupts = allFaultReasons().filter((r) => r.subject === 'interrupt');
    expect(interrupts.some((r) => r.information === 'address')).toBe(false);
  });

  it('refuse a row with too few or unknown answers', () => {
    const row = { code: 1, title: 't', explanation: 'e', usualCause: 'c', isQualified: false };
    const build = (responses: string) => () =>
      faultReasons('request', vtd('1'), { 'X.1': { ...row, responses } });
    expect(build('UR')).toThrow('seven answers');
    expect(build('UR UR UR UR UR UR XX')).toThrow('unknown answer XX');
  });
});

describe('invalidation queue errors', () => {
  it('are found by code', () => {
    expect(INVALIDATION_QUEUE_ERRORS.map((e) => e.code)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(invalidationQueueError(6)?.name).toBe('tailNotAligned');
    expect(invalidationQueueError(8)).toBeUndefined();
  });
});
