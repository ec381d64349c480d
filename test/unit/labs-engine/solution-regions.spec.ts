import { describe, expect, it } from 'vitest';
import { splitRegions } from '../../../src-main/labs-engine/package/solution-regions.ts';

const SOURCE = `import { a } from 'a';
// #region other
function f() {
  // #region solution attach
  const rc = attach(a);
  if (rc < 0) throw new Error('no');
  // #region starter
  // const rc = ...   // attach it
  // #endregion
  // #endregion
  return 1;
}
// #endregion
// #region solution
done();
// #endregion
`;

describe('solution regions', () => {
  it('give the learner the starter lines in place of the solution', () => {
    expect(splitRegions('driver.ts', SOURCE).starter.text).toBe(`import { a } from 'a';
// #region other
function f() {
  // const rc = ...   // attach it
  return 1;
}
// #endregion
`);
  });

  it('give the solution without starter lines and markers', () => {
    expect(splitRegions('driver.ts', SOURCE).solution.text).toBe(`import { a } from 'a';
// #region other
function f() {
  const rc = attach(a);
  if (rc < 0) throw new Error('no');
  return 1;
}
// #endregion
done();
`);
  });

  it('know the line of the file behind each line', () => {
    const { starter, solution } = splitRegions('driver.ts', SOURCE);
    expect(starter.fileLines).toEqual([1, 2, 3, 8, 11, 12, 13, 17]);
    expect(solution.fileLines).toEqual([1, 2, 3, 5, 6, 11, 12, 13, 15, 17]);
  });

  it('know where each region is in both texts', () => {
    expect(splitRegions('driver.ts', SOURCE).regions).toEqual([
      { name: 'attach', starterLine: 4, solutionLine: 4 },
      { name: '', starterLine: 8, solutionLine: 9 },
    ]);
  });

  it('leave a file without regions as it is', () => {
    const text = 'const a = 1;\n\nconst b = 2;\n';
    const { starter, solution, issues } = splitRegions('driver.ts', text);
    expect([starter.text, solution.text, issues]).toEqual([text, text, []]);
  });

  it.each([
    ['// #region solution a\n', 'driver.ts:1 The solution region is never closed'],
    ['// #endregion\n', 'driver.ts:1 There is no region to close here'],
    [
      '// #region starter\n// #endregion\n',
      'driver.ts:1 A starter region belongs directly into a solution region',
    ],
    [
      '// #region solution a\n// #region solution b\n// #endregion\n// #endregion\n',
      'driver.ts:2 A solution region cannot stand inside another one',
    ],
    [
      '// #region solution a\n// #endregion\n// #region solution a\n// #endregion\n',
      'driver.ts:3 There are two solution regions a',
    ],
  ])('%j is a problem', (text, problem) => {
    expect(
      splitRegions('driver.ts', text).issues.map(({ path, message }) => `${path} ${message}`),
    ).toContain(problem);
  });
});
