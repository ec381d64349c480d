import { describe, expect, it } from 'vitest';
import { bit, bits, reserved } from '../../../src-main/bits/field.ts';
import { fieldRows } from '../../../src-main/bits/field-rows.ts';
import { InvariantError } from '../../../src-main/bits/invariant.ts';
import {
  defineRegister,
  defineRegisterBlock,
  gateRegister,
  placeRegister,
  resetWords,
  withResets,
} from '../../../src-main/bits/register-block.ts';

const source = { document: 'test', section: 'section 1' };

const control = defineRegister('CONTROL', {
  title: 'Control',
  offset: 0x10,
  bytes: 4,
  source,
  fields: {
    GO: bit(0, 'Go', { access: 'RW' }),
    MODE: bits(3, 1, 'Mode', { access: 'RW', reset: 5, capability: 'MODES' }),
    _r4: reserved(30, 4),
    MASK: bit(31, 'Mask', { access: 'RW', reset: 1 }),
  },
});

const narrow = defineRegister('NARROW', {
  title: 'Narrow',
  offset: 0x14,
  bytes: 2,
  source,
  fields: { A: bits(15, 0, 'A', { access: 'RO' }) },
});

describe('registers', () => {
  it('reset to the declared values', () => {
    expect([...resetWords(control)]).toEqual([0x8000_000a]);
  });

  it('take reset values of one instance without changing the declaration', () => {
    const own = withResets(control, { MODE: 2, GO: 1 });
    expect([...resetWords(own)]).toEqual([0x8000_0005]);
    expect(own.field('MODE').spec.reset).toBe(2);
    expect([...resetWords(control)]).toEqual([0x8000_000a]);
  });

  it('refuse reset values of fields that do not exist', () => {
    expect(() => withResets(control, { NONE: 1 } as never)).toThrow(InvariantError);
  });

  it('lose the fields whose capability is absent', () => {
    const gated = gateRegister(control, { has: () => false, width: () => 64 });
    expect(gated.field('MODE').spec.access).toBe('RsvdZ');
    expect(gated.field('GO').spec.access).toBe('RW');
    expect([...resetWords(gated)]).toEqual([0x8000_0000]);
  });

  it('hide the bits beyond a narrow register', () => {
    expect(narrow.bytes).toBe(2);
    expect(fieldRows(narrow, source, Uint32Array.of(0x1234)).map((r) => r.name)).toEqual(['A']);
  });

  it('must be aligned and stay inside their width', () => {
    const fields = { A: bits(31, 0, 'A') };
    expect(() => defineRegister('X', { title: 'x', offset: 2, bytes: 4, source, fields })).toThrow(
      'offset 0x2 is not aligned to 4 bytes',
    );
    expect(() => defineRegister('X', { title: 'x', offset: 0, bytes: 2, source, fields })).toThrow(
      'exceeds 16 bits',
    );
  });
});

describe('register blocks', () => {
  it('are in offset order', () => {
    const block = defineRegisterBlock('block', [narrow, control]);
    expect(block.registers.map((r) => r.name)).toEqual(['CONTROL', 'NARROW']);
  });

  it('refuse overlap and repeated names', () => {
    expect(() => defineRegisterBlock('b', [control, placeRegister(narrow, 0x12)])).toThrow(
      'b: CONTROL at 0x10 overlaps NARROW',
    );
    expect(() => defineRegisterBlock('b', [control, placeRegister(control, 0x20)])).toThrow(
      'register names repeat',
    );
  });
});
