import { describe, expect, it } from 'vitest';
import { parseRequest, parseServerMessage } from '../../../src-main/protocol/rpc-message.ts';

describe('parseRequest', () => {
  it('takes a request', () => {
    const request = { id: 3, method: 'lab.open', params: { labId: 'first' } };
    expect(parseRequest(request)).toEqual(request);
  });

  it.each([
    null,
    'text',
    [],
    { method: 'lab.open' },
    { id: -1, method: 'lab.open' },
    { id: 1.5, method: 'lab.open' },
    { id: 1, method: 5 },
    { id: 1, method: 'x'.repeat(101) },
    { id: 1, method: 'lab.open', extra: true },
  ])('refuses %j', (value) => {
    expect(parseRequest(value)).toBeNull();
  });
});

describe('parseServerMessage', () => {
  it.each([
    { id: 1, result: { ok: true } },
    { id: 1, error: { code: 'ERR_X', message: 'No' } },
    { event: 'tick', data: { n: 1 } },
  ])('takes %j', (message) => {
    expect(parseServerMessage(message)).toEqual(message);
  });

  it('takes an answer whose result JSON dropped', () => {
    expect(parseServerMessage({ id: 4 })).toEqual({ id: 4, result: undefined });
  });

  it.each([null, 7, {}, { id: 'a', result: 1 }, { id: 1, error: 'ERR' }, { event: 5 }])(
    'refuses %j',
    (value) => {
      expect(parseServerMessage(value)).toBeNull();
    },
  );
});
