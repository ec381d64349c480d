import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMutant, type Solutions } from '../../../src-main/labs-engine/package/mutant.ts';
import { applyPatch, parsePatch } from '../../../src-main/labs-engine/package/unified-patch.ts';
import { checkProperty } from '../../support/check-property.ts';

const SOLUTION = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].join('\n');
const solutions: Solutions = new Map([
  ['driver.ts', { text: SOLUTION, isEdited: true }],
  ['guest.ts', { text: 'guest', isEdited: false }],
]);

const patch = (hunk: string, header = '--- a/driver.ts\n+++ b/driver.ts\n'): string =>
  `${header}${hunk}`;

function patched(text: string): string {
  const { mutant, issues } = parseMutant({ path: 'mutants/m.patch', text }, solutions);
  return mutant?.text ?? issues.map((issue) => issue.message).join('; ');
}

describe('patches', () => {
  it('replace, remove and add lines', () => {
    expect(
      patched(
        patch(
          '@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n@@ -5,2 +5,2 @@\n-five\n six\n+seven and a half\n',
        ),
      ),
    ).toBe(['one', 'TWO', 'three', 'four', 'six', 'seven and a half', 'seven'].join('\n'));
  });

  it('apply where their lines are, not where they say', () => {
    expect(patched(patch('@@ -1,1 +1,1 @@\n-six\n+SIX\n'))).toContain('SIX');
  });

  it('apply to the place nearest to the one they name', () => {
    const text = ['x', 'same', 'y', 'same', 'z'].join('\n');
    const result = applyPatch(text, parsePatch('@@ -4,1 +4,1 @@\n-same\n+other\n'));
    expect(result).toEqual({ text: ['x', 'same', 'y', 'other', 'z'].join('\n') });
  });

  it('say which line is not there', () => {
    expect(patched(patch('@@ -1,1 +1,1 @@\n-tow\n+TWO\n'))).toBe(
      'Hunk 1 does not apply: there is no line "tow"',
    );
    expect(patched(patch('@@ -1,2 +0,0 @@\n-two\n-one\n'))).toBe(
      'Hunk 1 does not apply: the lines are there, but not in this order',
    );
    expect(patched('just words')).toBe('The patch has no hunk');
  });

  it('turn any text into any other text', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 8 });
    checkProperty(
      fc.property(text, text, (from, to) => {
        const lines = [...from.map((line) => `-${line}`), ...to.map((line) => `+${line}`)];
        const hunk = `@@ -1,${String(from.length)} +1,${String(to.length)} @@\n${lines.join('\n')}\n`;
        expect(applyPatch(from.join('\n'), parsePatch(hunk))).toEqual({ text: to.join('\n') });
      }),
    );
  });
});

describe('mutants', () => {
  it('say what they prove in front of the diff', () => {
    const text = `Why it is wrong.\ncheck: pasid-attached\nmessage: P is 0, expected 1\n\n${patch('@@ -1 +1 @@\n-one\n+1\n')}`;
    expect(parseMutant({ path: 'mutants/no-pasid.patch', text }, solutions).mutant).toMatchObject({
      name: 'no-pasid',
      file: 'driver.ts',
      check: 'pasid-attached',
      message: 'P is 0, expected 1',
    });
  });

  it('may be whole files with the same words as comments', () => {
    const text = '// check: a-check\n// message: It is 1: not 2\nrun();\n';
    expect(parseMutant({ path: 'mutants/whole.ts', text }, solutions).mutant).toMatchObject({
      name: 'whole',
      file: 'driver.ts',
      text,
      check: 'a-check',
      message: 'It is 1: not 2',
    });
  });

  it('stand for the script of their name, or the one they name', () => {
    const file = (path: string, text: string): string | undefined =>
      parseMutant({ path, text }, solutions).mutant?.file;
    expect(file('mutants/guest.ts', 'x')).toBe('guest.ts');
    expect(file('mutants/m.ts', '// file: guest.ts\nx')).toBe('guest.ts');
  });

  it('may run under another kernel profile, if there is such a profile', () => {
    const parse = (profile: string): ReturnType<typeof parseMutant> =>
      parseMutant({ path: 'mutants/m.ts', text: `// profile: ${profile}\nx` }, solutions);
    expect(parse('iommufd').mutant?.profile).toBe('iommufd');
    expect(parse('iommufb').issues).toEqual([
      {
        code: 'schema',
        path: 'mutants/m.ts',
        message: 'There is no kernel profile iommufb',
        hint: 'Did you mean iommufd?',
      },
    ]);
  });

  it('that promise nothing are still mutants', () => {
    expect(parseMutant({ path: 'mutants/m.ts', text: 'x' }, solutions).mutant).toMatchObject({
      check: undefined,
      message: undefined,
    });
  });

  it('of a script that is not there are a problem', () => {
    const text = patch('@@ -1 +1 @@\n-one\n+1\n', '--- a/drver.ts\n+++ b/drver.ts\n');
    expect(parseMutant({ path: 'mutants/m.patch', text }, solutions).issues).toEqual([
      {
        code: 'schema',
        path: 'mutants/m.patch',
        message: 'The lab has no script drver.ts',
        hint: 'Did you mean driver.ts?',
      },
    ]);
  });
});
