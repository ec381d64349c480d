/** Every module of the specification layer loads, and what loading cannot refuse is right too. */
import { describe, expect, it } from 'vitest';
import { loadSpec, specProblems } from '../../../build/checks/spec-declarations.ts';
import type { Field, LayoutContext } from '../../../src-main/bits/layout.ts';
import { defineRegister } from '../../../src-main/bits/register-block.ts';
import { bit, bits } from '../../../src-main/bits/field.ts';
import { documentOf, DOCUMENTS, vtd } from '../../../src-main/spec/source.ts';
import {
  CAPABILITY_PROFILES,
  decodeCapability,
} from '../../../src-main/spec/vtd/capability-profile.ts';

const OWN = /src-main\/spec\/(vtd|paging|pcie|siov)\//;
const spec = await loadSpec();
const own = await loadSpec('{vtd,paging,pcie,siov}/**');
const ownFields = [...own.structures, ...own.registers].flatMap((d) =>
  d.fields.map((field) => [`${d.name}.${field.name}`, field] as const),
);

/** Names of the fields for which asking the context throws. */
function unanswered(
  context: LayoutContext,
  ask: (field: Field, context: LayoutContext) => void,
): readonly string[] {
  return ownFields.flatMap(([name, field]) => {
    try {
      ask(field, context);
      return [];
    } catch {
      return [name];
    }
  });
}

describe('declarations', () => {
  it('load from every module', () => {
    expect(spec.modules.filter((m) => OWN.test(m)).length).toBeGreaterThan(50);
    expect(spec.structures.length).toBeGreaterThan(100);
    expect(spec.registers.length).toBeGreaterThan(200);
  });

  it('have titles, sources, unambiguous values and reset values that fit', () => {
    expect(specProblems(spec)).toEqual([]);
  });

  it('would be refused with an ambiguous value or a reset value that does not fit', () => {
    const bad = defineRegister('BAD', {
      title: '',
      offset: 0,
      bytes: 4,
      source: { document: '', section: '' },
      fields: {
        A: bit(0, '', { reset: 2 }),
        B: bits(31, 1, 'B', { values: { one: 1, uno: 1 } }),
      },
    });
    expect(specProblems({ ...own, structures: [], registers: [bad] })).toEqual([
      'BAD has no title',
      'BAD has no source',
      'BAD.A has no title',
      'BAD.A: reset value does not fit',
      'BAD.B names a value twice',
    ]);
  });

  it('cite documents that are pinned', () => {
    for (const { source } of [...own.structures, ...own.registers, ...own.capabilities]) {
      expect(documentOf(source).revision).not.toBe('');
    }
  });

  it('give every register field an access type', () => {
    const missing = own.registers.flatMap((r) =>
      r.fields
        .filter((f) => f.name !== '_beyond' && f.spec.access === undefined)
        .map((f) => `${r.name}.${f.name}`),
    );
    expect(missing).toEqual([]);
  });

  it.each(CAPABILITY_PROFILES)(
    'name only capabilities and widths that a unit can answer ($name)',
    (profile) => {
      const { context } = decodeCapability(profile);
      expect(
        unanswered(context, ({ spec: { capability = [], validBits } }, asked) => {
          for (const name of typeof capability === 'string' ? [capability] : capability) {
            asked.has(name);
          }
          if (validBits !== undefined) {
            asked.width(validBits);
          }
        }),
      ).toEqual([]);
    },
  );

  it('explain every field of the translation tables and registers', () => {
    const silent = ownFields
      .filter(([, { spec: s }]) => s.role === 'value' && s.note === undefined)
      .map(([name]) => name)
      .filter((name) => !name.startsWith('PERF') && !name.endsWith('.ADDR'));
    expect(silent).toEqual([]);
  });
});

describe('citations', () => {
  it('print as document and section', () => {
    expect(vtd('9.6')).toEqual({ document: 'VT-d 5.10', section: 'section 9.6' });
    expect(vtd('appendix A').section).toBe('appendix A');
  });

  it('lead to the full document', () => {
    expect(documentOf(vtd('9.6'))).toBe(DOCUMENTS.vtd);
    expect(DOCUMENTS.vtd.order).toBe('D51397-018');
    expect(() => documentOf({ document: 'Other', section: '1' })).toThrow('Document Other');
  });
});
