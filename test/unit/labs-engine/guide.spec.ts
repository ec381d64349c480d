import { describe, expect, it } from 'vitest';
import { parseGuide } from '../../../src-main/labs-engine/package/guide.ts';

const parse = (text: string): ReturnType<typeof parseGuide> => parseGuide('lab.md', text);
const problems = (text: string): readonly string[] =>
  parse(text).issues.map(({ code, path, message }) => `${code} ${path}: ${message}`);

describe('guide', () => {
  it('is steps of blocks in the order of the text', () => {
    const { steps, issues } = parse(
      [
        '## First {#first}',
        '',
        'Read **this**.',
        '',
        ':::predict field=PGTT',
        'Which type?',
        '',
        '- nested',
        '- pass-through',
        ':::',
        'And this.',
        ':::spec "VT-d 5.10, section 9.6"',
        'The entry is 64 bytes.',
        ':::',
        ':::check id=attached',
        ':::',
        ':::hint level=2',
        'Look.',
        ':::',
        '## Second {#second}',
        ':::note',
        'A note.',
        ':::',
        ':::why',
        'Because.',
        ':::',
      ].join('\n'),
    );
    expect(issues).toEqual([]);
    expect(steps.map(({ id, title, blocks }) => ({ id, title, blocks }))).toEqual([
      {
        id: 'first',
        title: 'First',
        blocks: [
          { kind: 'markdown', text: 'Read **this**.' },
          {
            kind: 'predict',
            id: 'first-predict-1',
            field: 'PGTT',
            question: 'Which type?',
            options: ['nested', 'pass-through'],
          },
          { kind: 'markdown', text: 'And this.' },
          { kind: 'spec', source: 'VT-d 5.10, section 9.6', text: 'The entry is 64 bytes.' },
          { kind: 'check', checkId: 'attached' },
          { kind: 'hint', id: 'first-hint-2', level: 2, text: 'Look.' },
        ],
      },
      {
        id: 'second',
        title: 'Second',
        blocks: [
          { kind: 'note', text: 'A note.' },
          { kind: 'why', text: 'Because.' },
        ],
      },
    ]);
    expect(steps[0]?.blockLines).toEqual([3, 6, 11, 13, 15, 18]);
  });

  it('takes nothing inside a code block for structure', () => {
    const code = ['```ts', '## not a step', ':::hint level=9', '<b>not html</b>', '```'].join('\n');
    const { steps, issues } = parse(`## Step {#step}\n${code}\n:::hint level=3\n${code}\n:::\n`);
    expect(issues).toEqual([]);
    expect(steps[0]?.blocks).toEqual([
      { kind: 'markdown', text: code },
      { kind: 'hint', id: 'step-hint-3', level: 3, text: code },
    ]);
  });

  it('ends a code block only with a fence of its own kind', () => {
    const { steps } = parse('## Step {#step}\n~~~\n```\n## inside\n~~~\n## Next {#next}\ntext');
    expect(steps.map((step) => step.id)).toEqual(['step', 'next']);
  });

  it('leaves a question without options open', () => {
    expect(
      parse('## S {#s}\n:::predict field=DID id=mine\nWhich number?\n:::').steps[0]?.blocks,
    ).toEqual([{ kind: 'predict', id: 'mine', field: 'DID', question: 'Which number?' }]);
  });

  it.each([
    [
      'text\n## Step {#step}\nmore',
      'schema lab.md:1: Text before the first step would never be shown',
    ],
    ['', 'schema lab.md:1: The guide has no step'],
    [
      '## Step',
      'schema lab.md:1: Step "Step" needs an id of lower-case words joined by hyphens, found none',
    ],
    [
      '## Step {#A B}',
      'schema lab.md:1: Step "Step" needs an id of lower-case words joined by hyphens, found A B',
    ],
    ['## A {#a}\n## B {#a}', 'duplicate-id lab.md:2: The step id a is taken by line 1'],
    [
      '## A {#a}\n:::hint level=1\nx\n:::\n:::hint level=1\ny\n:::',
      'duplicate-id lab.md:5: The hint id a-hint-1 is taken by line 2',
    ],
    ['## A {#a}\n:::hnt level=1\nx\n:::', 'schema lab.md:2: There is no directive :::hnt'],
    ['## A {#a}\n:::hint\nx\n:::', 'schema lab.md:2: :::hint needs level 1, 2 or 3, found none'],
    [
      '## A {#a}\n:::hint level=4\nx\n:::',
      'schema lab.md:2: :::hint needs level 1, 2 or 3, found 4',
    ],
    ['## A {#a}\n:::hint levl=1\nx\n:::', 'schema lab.md:2: :::hint has no attribute levl'],
    ['## A {#a}\n:::check\n:::', 'schema lab.md:2: :::check needs the id of a check'],
    ['## A {#a}\n:::check id=a\ntext\n:::', 'schema lab.md:2: :::check takes no text of its own'],
    ['## A {#a}\n:::note\n:::', 'schema lab.md:2: :::note takes text up to its closing :::'],
    ['## A {#a}\n:::spec VT-d\nx\n:::', 'schema lab.md:2: :::spec does not take VT-d'],
    ['## A {#a}\n:::note\nx', 'schema lab.md:2: :::note is never closed'],
    [
      '## A {#a}\n:::note\nx\n:::why\ny\n:::\n:::',
      'schema lab.md:4: A directive cannot stand inside another one',
    ],
    ['## A {#a}\n<b>bold</b>', 'schema lab.md:2: Raw HTML is not shown, found <b>'],
    ['## A {#a}\n<!-- secret -->', 'schema lab.md:2: Raw HTML is not shown, found <!--'],
  ])('%j is a problem', (text, problem) => {
    expect(problems(text)).toContain(problem);
  });

  it('does not take comparisons and code spans for HTML', () => {
    expect(problems('## A {#a}\n1 < 2 and `<b>` and x <y or a<b\n')).toEqual([]);
  });
});
