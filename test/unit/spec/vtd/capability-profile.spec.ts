import { describe, expect, it } from 'vitest';
import { AW, addressWidthOf } from '../../../../src-main/spec/vtd/address-width.ts';
import {
  CAPABILITY_PROFILES,
  CLIENT_PROFILE,
  contextWith,
  decodeCapability,
  DEFAULT_PROFILE,
  SERVER_PROFILE,
  VIRTUAL_PROFILE,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import { CAP_REG, ECAP_REG } from '../../../../src-main/spec/vtd/registers/capability.ts';
import { toQwords } from '../../../support/qwords.ts';

function flags(values: Readonly<Record<string, number | bigint>>): readonly string[] {
  return Object.entries(values)
    .filter(([, value]) => value === 1)
    .map(([name]) => name);
}

describe('capability profiles', () => {
  it('decode the default as its title promises', () => {
    const unit = decodeCapability(DEFAULT_PROFILE);
    expect(unit).toMatchObject({
      major: 6,
      minor: 0,
      haw: 52,
      mgaw: 57,
      domainIdWidth: 16,
      pasidWidth: 20,
      maxAm: 18,
      maxIm: 15,
      faultRecordOffset: 0x600,
      faultRecordCount: 8,
      ivaOffset: 0x500,
      iotlbOffset: 0x508,
      addressWidths: [AW.bits48, AW.bits57],
      hasSecondStage2M: true,
      hasSecondStage1G: true,
      hasQueuedInvalidationOnly: true,
    });
    const names = 'ZLR PSI DWD DRD FS1GP PI FS5LP ESIRTPS ESRTPS'.split(' ');
    expect(flags(unit.cap)).toEqual(names);
    expect(flags(unit.ecap)).toEqual(
      (
        'C QI DT IR EIM PT SC NEST PRS SRS NWFS EAFS PASID DIT PDS SMTS SSADS SSTS FSTS SMPWCS ' +
        'RPS ADMS RPRIVS SMS'
      ).split(' '),
    );
  });

  it('decode the server unit as its boot log says', () => {
    const unit = decodeCapability(SERVER_PROFILE);
    expect(unit).toMatchObject({
      mgaw: 57,
      domainIdWidth: 16,
      maxAm: 45,
      faultRecordOffset: 0x400,
      faultRecordCount: 1,
      ivaOffset: 0x500,
    });
    for (const name of ['SMTS', 'FSTS', 'SSTS', 'NEST', 'PT', 'EAFS', 'DIT', 'PDS', 'MTS']) {
      expect(unit.context.has(name)).toBe(true);
    }
    expect(unit.context.has('PASID')).toBe(false);
    expect(unit.context.has('PRS')).toBe(false);
  });

  it('decode the client unit as legacy only', () => {
    const unit = decodeCapability(CLIENT_PROFILE);
    expect(unit.context.has('SMTS')).toBe(false);
    expect(unit.domainIdWidth).toBe(8);
    expect(unit.hasQueuedInvalidationOnly).toBe(false);
  });

  it('add caching mode and virtual commands to the virtual unit, and nothing else', () => {
    const real = decodeCapability(DEFAULT_PROFILE);
    const virtual = decodeCapability(VIRTUAL_PROFILE);
    expect(virtual.cap).toEqual({ ...real.cap, CM: 1 });
    expect(virtual.ecap).toEqual({ ...real.ecap, VCS: 1 });
  });

  it.each(CAPABILITY_PROFILES)('set no reserved bit and encode back: $name', (profile) => {
    const { cap, ecap } = decodeCapability(profile);
    const digits = (value: bigint): string => value.toString(16).padStart(16, '0');
    expect(toQwords(CAP_REG.encode(cap))).toEqual([digits(profile.cap)]);
    expect(toQwords(ECAP_REG.encode(ecap))).toEqual([digits(profile.ecap)]);
  });

  /** "Must be 0 unless" of the register descriptions. */
  const needs: readonly (readonly [name: string, needed: readonly string[]])[] = [
    ['DT', ['QI']],
    ['IR', ['QI']],
    ['EIM', ['IR']],
    ['MTS', ['SMTS']],
    ['NEST', ['SMTS', 'FSTS', 'SSTS']],
    ['PRS', ['DT', 'SMTS']],
    ['SRS', ['SMTS']],
    ['NWFS', ['DT']],
    ['EAFS', ['FSTS', 'SMPWCS']],
    ['DIT', ['DT']],
    ['PDS', ['DT']],
    ['SMTS', ['QI']],
    ['SSADS', ['SMPWCS']],
    ['SSTS', ['SMTS']],
    ['FSTS', ['SMTS']],
    ['SMPWCS', ['SMTS']],
    ['RPS', ['SMTS']],
    ['RPRIVS', ['SRS']],
    ['SMS', ['PRS']],
    ['PI', ['IR']],
    ['FS1GP', ['FSTS']],
    ['FS5LP', ['FSTS']],
  ];

  it.each([DEFAULT_PROFILE, VIRTUAL_PROFILE, SERVER_PROFILE])(
    'report nothing whose precondition is missing: $name',
    (profile) => {
      const { context } = decodeCapability(profile);
      const broken = needs.filter(
        ([name, needed]) => context.has(name) && !needed.every((n) => context.has(n)),
      );
      expect(broken).toEqual([]);
    },
  );

  it('answer only for names that exist', () => {
    const { context } = decodeCapability(DEFAULT_PROFILE);
    expect(() => context.has('NONSENSE')).toThrow('NONSENSE is no capability');
    expect(() => context.width('NONSENSE')).toThrow('NONSENSE is no width');
    expect(context.width('HAW')).toBe(52);
    expect(context.width('DID_WIDTH')).toBe(16);
  });

  it('follow machine state where a layout depends on it', () => {
    const unit = decodeCapability(DEFAULT_PROFILE);
    expect(unit.context.has('SSIRWE')).toBe(false);
    const latched = contextWith(unit, { SSIRWE: true });
    expect(latched.has('SSIRWE')).toBe(true);
    expect(latched.has('SC')).toBe(true);
    expect(latched.width('HAW')).toBe(52);
  });

  it('know widths and levels of AW', () => {
    expect(addressWidthOf(AW.bits57)).toMatchObject({ inputBits: 57, levels: 5 });
    expect(addressWidthOf(0)).toBeUndefined();
  });
});
