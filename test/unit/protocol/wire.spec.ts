import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeWire, encodeWire } from '../../../src-main/protocol/wire.ts';

describe('wire frames', () => {
  it('uses a text frame for messages without bytes', () => {
    expect(encodeWire({ id: 1, result: { at: '0x10' } })).toBe('{"id":1,"result":{"at":"0x10"}}');
  });

  it('uses a binary frame for messages with bytes', () => {
    const frame = encodeWire({ id: 1, result: Uint8Array.of(5) });
    expect(frame).toBeInstanceOf(Uint8Array);
    expect(decodeWire(frame)).toEqual({ id: 1, result: Uint8Array.of(5) });
  });

  it('gives back any mix of values and bytes', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 64 }),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie('tree'), {
          maxKeys: 4,
          noNullPrototype: true,
        }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(decodeWire(encodeWire({ value }))).toEqual({ value });
      }),
    );
  });

  it.each([
    ['an empty frame', new Uint8Array(0)],
    ['a cut length', Uint8Array.of(1, 0)],
    ['a cut part', Uint8Array.of(9, 0, 0, 0, 0x7b)],
    ['a placeholder without bytes', frameOf('{"v":{"$bytes":3}}')],
    ['text that is not JSON', '{"id":'],
  ])('refuses %s', (_name, frame) => {
    expect(() => decodeWire(frame)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_MESSAGE' }),
    );
  });

  it('leaves a look-alike placeholder in a text frame alone', () => {
    expect(decodeWire('{"v":{"$bytes":0}}')).toEqual({ v: { $bytes: 0 } });
  });
});

function frameOf(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  return Uint8Array.of(text.length, 0, 0, 0, ...text);
}
