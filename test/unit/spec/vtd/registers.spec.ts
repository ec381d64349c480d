import { describe, expect, it } from 'vitest';
import { resetWords, type RegisterBlock } from '../../../../src-main/bits/register-block.ts';
import {
  decodeCapability,
  CLIENT_PROFILE,
  DEFAULT_PROFILE,
  SERVER_PROFILE,
  VIRTUAL_PROFILE,
  type CapabilityProfile,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import { CAP_REG } from '../../../../src-main/spec/vtd/registers/capability.ts';
import {
  faultRecordingRegisterName,
  REGISTER_GROUPS,
  vtdRegionBytes,
  vtdRegisterBlock,
} from '../../../../src-main/spec/vtd/registers.ts';

function block(profile: CapabilityProfile): RegisterBlock {
  return vtdRegisterBlock(decodeCapability(profile));
}

function map(of: RegisterBlock): Readonly<Record<string, string>> {
  return Object.fromEntries(of.registers.map((r) => [r.name, r.offset.toString(16)]));
}

function resets(of: RegisterBlock): Readonly<Record<string, readonly string[]>> {
  const set = of.registers
    .map((r) => [r.name, [...resetWords(r)].map((w) => w.toString(16))] as const)
    .filter(([, words]) => words.some((w) => w !== '0'));
  return Object.fromEntries(set);
}

describe('register map', () => {
  it('has the registers of the default unit where they belong', () => {
    expect(map(block(DEFAULT_PROFILE))).toEqual({
      ...{ VER_REG: '0', CAP_REG: '8', ECAP_REG: '10', GCMD_REG: '18', GSTS_REG: '1c' },
      ...{ RTADDR_REG: '20', CCMD_REG: '28', FSTS_REG: '34', FECTL_REG: '38', FEDATA_REG: '3c' },
      ...{ FEADDR_REG: '40', FEUADDR_REG: '44', IQH_REG: '80', IQT_REG: '88', IQA_REG: '90' },
      ...{ ICS_REG: '9c', IECTL_REG: 'a0', IEDATA_REG: 'a4', IEADDR_REG: 'a8' },
      ...{ IEUADDR_REG: 'ac', IQERCD_REG: 'b0', IRTA_REG: 'b8', PQH_REG: 'c0', PQT_REG: 'c8' },
      ...{ PQA_REG: 'd0', PRS_REG: 'dc', PECTL_REG: 'e0', PEDATA_REG: 'e4', PEADDR_REG: 'e8' },
      ...{ PEUADDR_REG: 'ec', IVA_REG: '500', IOTLB_REG: '508' },
      ...{ FRCD_REG_0: '600', FRCD_REG_1: '610', FRCD_REG_2: '620', FRCD_REG_3: '630' },
      ...{ FRCD_REG_4: '640', FRCD_REG_5: '650', FRCD_REG_6: '660', FRCD_REG_7: '670' },
    });
  });

  it('resets to the profile and to masked events', () => {
    expect(resets(block(DEFAULT_PROFILE))).toEqual({
      VER_REG: ['60'],
      CAP_REG: ['60780c06', 'd9d2078c'],
      ECAP_REG: ['a4f050df', '433ef9e'],
      FECTL_REG: ['80000000'],
      IECTL_REG: ['80000000'],
      PECTL_REG: ['80000000'],
    });
  });

  it('adds the virtual command registers of an emulated unit', () => {
    const { VCMD_REG, VCMD_EO_REG, VCRSP_REG, VCCAP_REG } = map(block(VIRTUAL_PROFILE));
    expect([VCMD_REG, VCMD_EO_REG, VCRSP_REG, VCCAP_REG]).toEqual(['e00', 'e08', 'e10', 'e30']);
    expect(resets(block(VIRTUAL_PROFILE))['VCCAP_REG']).toEqual(['7', '0']);
  });

  it('adds protected memory and memory types of a server unit', () => {
    const server = map(block(SERVER_PROFILE));
    expect(server).toMatchObject({
      ...{ PMEN_REG: '64', PLMBASE_REG: '68', PLMLIMIT_REG: '6c' },
      ...{ PHMBASE_REG: '70', PHMLIMIT_REG: '78', MTRRCAP_REG: '100', MTRRDEF_REG: '108' },
      ...{ MTRR_FIX64K_00000_REG: '120', MTRR_FIX4K_F8000_REG: '170' },
      ...{ MTRR_PHYSBASE0_REG: '180', MTRR_PHYSMASK9_REG: '218', FRCD_REG_0: '400' },
    });
    expect(server['PQA_REG']).toBeUndefined();
    expect(map(block(DEFAULT_PROFILE))['PMEN_REG']).toBeUndefined();
  });

  it('reserves fields of absent capabilities', () => {
    const fsts = (profile: CapabilityProfile) =>
      block(profile)
        .registers.find((r) => r.name === 'GCMD_REG')
        ?.field('WBF').spec.access;
    expect(fsts(DEFAULT_PROFILE)).toBe('RsvdZ');
    const withFlush = { ...CLIENT_PROFILE, cap: CLIENT_PROFILE.cap | 0x10n };
    expect(fsts(withFlush)).toBe('WO');
  });

  it('places every group when everything is reported', () => {
    const everything = decodeCapability({
      ...VIRTUAL_PROFILE,
      cap: VIRTUAL_PROFILE.cap | (1n << 61n) | 0x60n,
      ecap: VIRTUAL_PROFILE.ecap | (1n << 25n) | (1n << 51n) | (1n << 60n),
    });
    const names = new Set(vtdRegisterBlock(everything).registers.map((r) => r.name));
    const fixed = REGISTER_GROUPS.flatMap((g) => g.registers.map((r) => r.name));
    expect(fixed.filter((name) => !names.has(name))).toEqual([]);
  });

  it('refuses fault records on top of the enhanced command registers', () => {
    const { low } = CAP_REG.field('FRO');
    const clash = {
      ...SERVER_PROFILE,
      cap: SERVER_PROFILE.cap | (1n << BigInt(CAP_REG.field('ECMDS').low)),
    };
    expect(low).toBe(24);
    expect(() => block(clash)).toThrow(/overlaps/);
  });

  it('fills whole pages and names the fault records', () => {
    expect(vtdRegionBytes(block(DEFAULT_PROFILE))).toBe(4096);
    const far = { ...DEFAULT_PROFILE, cap: DEFAULT_PROFILE.cap | (0x3ffn << 24n) };
    expect(vtdRegionBytes(block(far))).toBe(5 * 4096);
    expect(faultRecordingRegisterName(7)).toBe('FRCD_REG_7');
  });
});
