/**
 * Memory type range registers, a copy of the CPU's that software keeps equal. VT-d 5.10 section 11.4.
 *
 * Eleven fixed-range registers of eight types each and ten variable ranges of base and mask. They matter only for devices
 * in the coherency domain.
 */
import { address, bit, bits, type FieldSpec } from '../../../bits/field.ts';
import { defineRegister, type Register } from '../../../bits/register-block.ts';
import { rsvdZ } from '../../reserved-fields.ts';
import { vtd } from '../../source.ts';

const SOURCE = vtd('11.4');

/** Memory types of the CPU. */
export const MEMORY_TYPE = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6 } as const;

export const MTRRCAP_REG = defineRegister('MTRRCAP_REG', {
  title: 'MTRR Capability Register',
  offset: 0x100,
  bytes: 8,
  source: SOURCE,
  fields: {
    VCNT: bits(7, 0, 'Variable MTRR Count', {
      access: 'RO',
      reset: 10,
      format: 'decimal',
      note: 'Number of variable ranges.',
    }),
    FIX: bit(8, 'Fixed Range MTRRs Supported', {
      access: 'RO',
      reset: 1,
      note: 'The fixed ranges exist.',
    }),
    _r9: rsvdZ(9),
    WC: bit(10, 'Write Combining', { access: 'RO', reset: 1, note: 'The type WC is supported.' }),
    _r11: rsvdZ(63, 11),
  },
});

export const MTRRDEF_REG = defineRegister('MTRRDEF_REG', {
  title: 'MTRR Default Type Register',
  offset: 0x108,
  bytes: 8,
  source: SOURCE,
  fields: {
    TYPE: bits(7, 0, 'Default Memory Type', {
      access: 'RW',
      values: MEMORY_TYPE,
      note: 'For addresses no range covers.',
    }),
    _r8: rsvdZ(9, 8),
    FE: bit(10, 'Fixed Range MTRR Enable', { access: 'RW', note: 'The fixed ranges count.' }),
    E: bit(11, 'MTRR Enable', {
      access: 'RW',
      note: 'The ranges count at all; else everything is UC.',
    }),
    _r12: rsvdZ(63, 12),
  },
});

function fixedRange(name: string, offset: number, bytesPerType: number): Register {
  const fields: Record<string, FieldSpec<number>> = {};
  for (let i = 0; i < 8; i++) {
    fields[`R${i}`] = bits(8 * i + 7, 8 * i, `Type of block ${i}`, {
      access: 'RW',
      values: MEMORY_TYPE,
      note: `Memory type of ${bytesPerType / 1024} KB.`,
    });
  }
  return defineRegister(`MTRR_${name}_REG`, {
    title: `Fixed Range MTRR ${name}`,
    offset,
    bytes: 8,
    source: SOURCE,
    fields,
  });
}

const KB = 1024;
const FOURS = ['C0000', 'C8000', 'D0000', 'D8000', 'E0000', 'E8000', 'F0000', 'F8000'];

export const FIXED_RANGE_MTRRS: readonly Register[] = [
  fixedRange('FIX64K_00000', 0x120, 64 * KB),
  fixedRange('FIX16K_80000', 0x128, 16 * KB),
  fixedRange('FIX16K_A0000', 0x130, 16 * KB),
  ...FOURS.map((start, i) => fixedRange(`FIX4K_${start}`, 0x138 + 8 * i, 4 * KB)),
];

const VARIABLE_RANGES = 10;
const VARIABLE_BASE = 0x180;

function variableRange(index: number): readonly Register[] {
  const offset = VARIABLE_BASE + 16 * index;
  return [
    defineRegister(`MTRR_PHYSBASE${index}_REG`, {
      title: `Variable Range MTRR Base ${index}`,
      offset,
      bytes: 8,
      source: SOURCE,
      fields: {
        TYPE: bits(7, 0, 'Memory Type', {
          access: 'RW',
          values: MEMORY_TYPE,
          note: 'Type of the range.',
        }),
        _r8: rsvdZ(11, 8),
        PHYSBASE: address(63, 12, 'Base Address', {
          access: 'RW',
          validBits: 'HAW',
          note: 'Address bits compared where the mask is 1.',
        }),
      },
    }),
    defineRegister(`MTRR_PHYSMASK${index}_REG`, {
      title: `Variable Range MTRR Mask ${index}`,
      offset: offset + 8,
      bytes: 8,
      source: SOURCE,
      fields: {
        _r0: rsvdZ(10, 0),
        V: bit(11, 'Valid', { access: 'RW', note: 'The range counts.' }),
        PHYSMASK: address(63, 12, 'Mask', {
          access: 'RW',
          validBits: 'HAW',
          note: 'Ones where address bits must equal the base.',
        }),
      },
    }),
  ];
}

export const VARIABLE_RANGE_MTRRS: readonly Register[] = Array.from(
  { length: VARIABLE_RANGES },
  (_, i) => variableRange(i),
).flat();
