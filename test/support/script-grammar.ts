/**
 * Random learner programs that end: every statement form there is, in the layouts people write (braces or not, semicolons
 * or not, several on a line, types anywhere, probes at line ends). They report through `out.put`.
 */
import fc from 'fast-check';

type Text = fc.Arbitrary<string>;

const variable: Text = fc.constantFrom('a', 'b', 'c');
const small: Text = fc
  .integer({ min: -3, max: 9 })
  .map((n) => (n < 0 ? `(${String(n)})` : String(n)));

/** Puts parts together: texts stand for themselves. */
function join(...parts: readonly (string | Text)[]): Text {
  return fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((texts) => texts.join(''));
}

const grammar = fc.letrec<{
  expression: string;
  statement: string;
  block: string;
  body: string;
  top: string;
}>((tie) => {
  const e = tie('expression');
  const s = tie('statement');
  const block = tie('block');
  const body = tie('body');
  const end = fc.constantFrom(';', ';', '', ' // ?', '; // ?', ' /* c */');
  const line = fc.constantFrom('\n', '\n', '\n  ', '\n\n');
  return {
    expression: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      variable,
      small,
      fc.constant('fuel'),
      join(
        '(',
        e,
        fc.constantFrom(' + ', ' - ', ' * ', ' | ', ' ^ ', ' < ', ' === ', ' && ', ' || ', ', '),
        e,
        ')',
      ),
      join('(', e, ' ? ', e, ' : ', e, ')'),
      join('(', e, ' as number)'),
      join('(', variable, '!)'),
      join('(', variable, fc.constantFrom(' = ', ' += ', ' ??= ', ' ^= '), e, ')'),
      join(variable, fc.constantFrom('++', '--')),
      join('f(', e, ')'),
      join('g<number>(', e, ', ', e, ')'),
      join('[', e, ', ', e, '].map((x: number) => ', e, ').length'),
      join('[', e, ', ', e, '].map((x) =>\n  x + ', e, ', // ?\n).length'),
      join('((x: number, y = ', e, ') => { ', s, '\n return ', e, ' })(', e, ')'),
      join('(function (this: void) { ', s, '\n })()'),
      join('({ v: ', e, ', get w() { ', s, '\n return 1 }, m(x) { return ', e, ' } }).w'),
      join('[...gen(', e, ')].length'),
      join('`${', e, '}`.length'),
      join('(() => ({ v: ', e, ' }))().v'),
      join('new Box(', e, ').get()'),
      join('(void ', e, ')'),
      join('(typeof ', e, ')'),
    ),
    block: join(
      '{',
      line,
      fc.array(s, { maxLength: 3 }).map((all) => all.join('\n')),
      '\n}',
    ),
    body: fc.oneof(
      block,
      block,
      s.map((text) => ` ${text}`),
      fc.constant(' ;'),
    ),
    // A line of its own: a probe comment takes the rest of its line.
    statement: fc
      .oneof(
        { maxDepth: 4, depthSize: 'small' },
        join('out.put(', e, ')', end),
        join(variable, ' = ', e, end),
        join('void ', e, end),
        join('{ let ', variable, ': number = ', e, end, '\n out.put(', variable, ') }'),
        join('{ const [x, ...y]: number[] = [', e, ', ', e, ']', end, '\n out.put(x + y.length) }'),
        join('if (', e, ')', body),
        join('if (', e, ')', block, ' else', body),
        join('if (', e, ') { // ?\n', s, '\n} else if (', e, ')', block, ' else', block),
        join('for (let i = 0; i < 3; i++)', body),
        join('for (const i of [1, ', e, '])', body),
        join('for (const i in { p: 1, q: 2 }) { // ?\n', s, '\n}'),
        join('{ let n = 3; while (n-- > 0)', body, ' }'),
        join('{ let n = 2; do', block, ' while (n-- > 0)', fc.constantFrom(';', ''), '\n }'),
        // Loops nest, so each label needs a name of its own.
        fc.noShrink(fc.nat()).chain((n) => {
          const label = `l${String(n)}`;
          return join(
            label,
            ': for (let i = 0; i < 3; i++) { for (;;) { ',
            s,
            '\n if (i > ',
            small,
            `) continue ${label}; break ${label} } }`,
          );
        }),
        join(
          'switch (',
          e,
          ') { case 1: ',
          s,
          '\n case 0 + ',
          e,
          ': { ',
          s,
          '\n break }\n default: ',
          s,
          '\n }',
        ),
        join('try ', block, ' catch (e) { // ?\n out.put(e instanceof Error ? e.name : e) }'),
        join(
          'try { throw ',
          e,
          fc.constantFrom('', ' // ?\n'),
          ' } catch { ',
          s,
          '\n} finally ',
          block,
        ),
        join('try { ', s, '\n null!.x } catch (e) { out.put(String(e)) }'),
        join(
          '{ const fns: (() => number)[] = []; for (let i = 0; i < 3; i++) fns.push(() => i + ',
          e,
          ')\n for (const fn of fns) out.put(fn()) }',
        ),
        join(
          '{ class K<T> { static s = ',
          e,
          '; #p: number = ',
          e,
          '; constructor(readonlyArg: T) { ',
          s,
          '\n } read() { return this.#p } static { ',
          s,
          '\n } }\n out.put(new K(1).read() + K.s) }',
        ),
        join('Promise.resolve(', e, ').then((x) => { ', s, '\n out.put(x) })', end),
        join('type T = { x: number }\n out.put(', e, ')', end),
        join('interface I { y(): void }; out.put(', e, ')', end),
      )
      .map((text) => `${text}\n`),
    // Where await may stand.
    top: fc.oneof(
      { weight: 4, arbitrary: s },
      { weight: 1, arbitrary: join('await ', e, end) },
      { weight: 1, arbitrary: join('for (const i of [1, 2]) { await ', e, end, '\n out.put(i) }') },
      {
        weight: 1,
        arbitrary: join(
          'try { if (',
          e,
          ') await Promise.reject(',
          e,
          ') } catch (e) { out.put(e) }',
        ),
      },
      {
        weight: 1,
        arbitrary: join(
          '{ const h = async (x: number): Promise<number> => { await null; ',
          s,
          '\n return ',
          e,
          ' }\n out.put(await h(',
          e,
          ')) }',
        ),
      },
      {
        weight: 1,
        arbitrary: join(
          'for await (const i of [',
          e,
          ', Promise.resolve(2)]) out.put(i)',
          fc.constantFrom('', ';'),
        ),
      },
    ),
  };
});

const PROLOGUE = `let a = 1, b: number = 2, c = 3 as number
let fuel = 40
function f(x: number): number {
  if (fuel-- <= 0) return 0
  a += x
  return a
}
function g<T>(x: T, y: T): number { if (fuel-- <= 0) return 0; return f(x as unknown as number) - b }
function* gen(n) {
  yield n
  if (fuel-- > 0) yield* [1, 2]
  return n
}
class Box<T> {
  private v: T
  constructor(v: T) { this.v = v }
  get(): T { return this.v }
}
`;

/** Whole programs. The names `x`, `y` and `i` may be out of reach where they are used: that error is part of the output. */
export const program: Text = fc
  .array(grammar.top, { minLength: 1, maxLength: 6 })
  .map((statements) => `${PROLOGUE}${statements.join('\n')}\nout.put(a + b + c)\n`);
