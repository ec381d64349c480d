import { describe, expect, it } from 'vitest';
import { problemsOf, tinyFolder, tinyLab, TINY_TEXT } from '../../support/tiny-lab.ts';

const withLine = (from: string, to: string): readonly string[] =>
  problemsOf(tinyFolder({ 'lab.md': TINY_TEXT.replace(from, to) }));

describe('front matter', () => {
  it('of a good lab has no problem', () => {
    expect(problemsOf(tinyFolder())).toEqual([]);
  });

  it('is all there for hosts', () => {
    expect(tinyLab()).toMatchObject({
      id: 'tiny',
      folder: '010-tiny',
      level: 'beginner',
      minutes: 5,
      concepts: ['pasid'],
      profiles: ['iommufd'],
      seeds: [1, 2],
      focus: { path: 'driver.ts', symbol: 'answer', line: 3 },
      starterFailure: { check: 'answer' },
    });
  });

  it.each([
    ['both', ['kvmforum2019', 'iommufd']],
    ['kvmforum2019', ['kvmforum2019']],
    ['[iommufd, kvmforum2019]', ['iommufd', 'kvmforum2019']],
  ])('takes profile %s', (text, profiles) => {
    expect(
      tinyLab({ 'lab.md': TINY_TEXT.replace('profile: iommufd', `profile: ${text}`) }).profiles,
    ).toEqual(profiles);
  });

  it('refuses a newer format whole, and says which version reads it', () => {
    const text = TINY_TEXT.replace('format: 1', 'format: 2\napp: 3.1.0').replace(
      'level: beginner',
      'level: wizard',
    );
    expect(problemsOf(tinyFolder({ 'lab.md': text }))).toEqual([
      'schema lab.md:2: The lab has format 2 and needs S-IOV Lab 3.1.0 or newer; this version reads format 1',
    ]);
  });

  it('names what is missing, misspelt and wrong, all at once and by line', () => {
    const text = TINY_TEXT.replace('title: Tiny\n', '')
      .replace('level: beginner', 'level: beginer')
      .replace('minutes: 5', 'minuts: 5');
    expect(problemsOf(tinyFolder({ 'lab.md': text }))).toEqual([
      'schema lab.md:2: title is missing',
      'schema lab.md:5: level: expected beginner, intermediate, advanced or expert, found "beginer"',
      'schema lab.md:2: minutes is missing',
      'schema lab.md:6: minuts is no known setting',
    ]);
  });

  it.each([
    ['format: 1', 'format: one', 'schema lab.md:2: format: expected 1, found "one"'],
    [
      'id: tiny',
      'id: Tiny Lab',
      'schema lab.md:3: id: Expected lower-case words joined by hyphens, found "Tiny Lab"',
    ],
    [
      'machine: machine.json',
      'machine: other.json',
      'schema other.json: The lab names other.json, but its folder has no such file',
    ],
    [
      'focus: driver.ts#answer',
      'focus: driver.ts#nothing',
      'dead-link lab.md:14: The starter of driver.ts has no nothing',
    ],
    ['needs: []', 'needs: [tinny]', 'unknown-need lab.md:8: There is no lab tinny'],
    ['needs: []', 'needs: [tiny]', 'unknown-need lab.md:8: A lab cannot need itself'],
    [
      'concepts: [pasid]',
      'concepts: [pasids]',
      'unknown-term lab.md:9: The glossary has no term pasids',
    ],
    [
      '  - { path: driver.ts',
      '  - { path: ../driver.ts',
      'schema lab.md:13: files.0.path: Expected the name of a .ts file in the lab, found "../driver.ts"',
    ],
    [
      'summary: Report the answer.',
      'summary: [',
      'schema lab.md:6: YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  ])('%s as %s is a problem', (from, to, problem) => {
    expect(withLine(from, to)).toContain(problem);
  });

  it('must be there', () => {
    expect(problemsOf(tinyFolder({ 'lab.md': '## Step {#step}\n' }))).toEqual([
      'schema lab.md:1: Expected front matter between two lines of ---',
    ]);
  });
});

describe('labs of one course', () => {
  it('have ids of their own', () => {
    expect(problemsOf(tinyFolder(), { '020-tiny': tinyFolder() })).toContain(
      'duplicate-id lab.md:3: The lab id tiny is taken by 020-tiny',
    );
  });

  it('do not need each other in a circle', () => {
    const other = tinyFolder({
      'lab.md': TINY_TEXT.replace('id: tiny', 'id: other').replace('needs: []', 'needs: [tiny]'),
    });
    const folder = tinyFolder({ 'lab.md': TINY_TEXT.replace('needs: []', 'needs: [other]') });
    expect(problemsOf(folder, { '020-other': other })).toEqual([
      'unknown-need lab.md:8: tiny comes, through its needs, before itself',
    ]);
  });
});
