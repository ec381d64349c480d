import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/protocol/app-error.ts';
import type { RpcClient } from '../../../src-main/protocol/rpc-client.ts';
import type { FakeApi } from './fake-api.ts';
import type { Connection } from './transports.ts';

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return error as AppError;
  }
  throw new Error('Expected a failure, found an answer');
}

/** What every transport must do. `connect` gives a client of a fresh fake service. */
export function describeRpcContract(
  transport: string,
  connect: () => Promise<Connection<FakeApi>>,
): void {
  describe(`LabApi transport: ${transport}`, () => {
    let connection: Connection<FakeApi>;
    let client: RpcClient<FakeApi>;

    beforeEach(async () => {
      connection = await connect();
      client = connection.client;
    });

    afterEach(() => connection.close());

    it('answers a command with its result', async () => {
      expect(await client.call('math.add', { a: 2, b: 40 })).toEqual({ sum: 42 });
    });

    it('applies the defaults of the parameter schema', async () => {
      const params = { a: 2 } as { a: number; b: number };
      expect(await client.call('math.add', params)).toEqual({ sum: 3 });
    });

    it('matches answers to requests when they finish out of order', async () => {
      const order: string[] = [];
      const slow = client.call('answer.slowly', { turns: 5 }).then(() => order.push('slow'));
      const fast = client.call('math.add', { a: 1, b: 1 }).then(() => order.push('fast'));
      await Promise.all([slow, fast]);
      expect(order).toEqual(['fast', 'slow']);
    });

    it('carries nested values, 64-bit hex strings, text beyond ASCII and null', async () => {
      const value = {
        address: '0xffffffffffffffff',
        rows: [{ name: 'PASID 目录', bits: [63, 12] }, null],
        isPresent: false,
        zero: 0,
        text: '',
      };
      expect(await client.call('echo.value', { value })).toEqual({ value });
    });

    it('carries bulk bytes exactly, several arrays in one answer', async () => {
      const answer = await client.call('memory.read', { length: 65_537 });
      expect(answer.at).toBe('0x00000000fee00000');
      expect(answer.bytes).toBeInstanceOf(Uint8Array);
      expect(answer.bytes.length).toBe(65_537);
      expect(answer.bytes.every((byte, index) => byte === (index & 0xff))).toBe(true);
      expect([...answer.tail]).toEqual([0xde, 0xad]);
    });

    it('carries bytes from the client as well', async () => {
      const value = { blob: Uint8Array.of(9, 8, 7), empty: new Uint8Array(0) };
      const answer = (await client.call('echo.value', { value })) as { value: typeof value };
      expect([...answer.value.blob]).toEqual([9, 8, 7]);
      expect(answer.value.empty.length).toBe(0);
    });

    it('answers a command without result', async () => {
      expect(await client.call('answer.nothing', {})).toBeUndefined();
    });

    it('refuses a command that the API does not declare', async () => {
      const failure = await failureOf(client.call('lab.destroy' as 'fail.app', {}));
      expect(failure.code).toBe('ERR_UNKNOWN_COMMAND');
      expect(failure.message).toContain('lab.destroy');
    });

    it.each(['constructor', '__proto__', 'toString'])(
      'refuses %s, which every object has',
      async (name) => {
        const failure = await failureOf(client.call(name as 'fail.app', {}));
        expect(failure.code).toBe('ERR_UNKNOWN_COMMAND');
      },
    );

    it('refuses invalid parameters with the place of each issue', async () => {
      const params = { a: 'two', b: [] } as unknown as { a: number; b: number };
      const failure = await failureOf(client.call('math.add', params));
      expect(failure.code).toBe('ERR_INVALID_PARAMS');
      expect(failure.issues.map((issue) => issue.path)).toEqual(['a', 'b']);
    });

    it('refuses parameters that the schema does not know', async () => {
      const params = { a: 1, b: 2, c: 3 };
      const failure = await failureOf(client.call('math.add', params));
      expect(failure.issues.map((issue) => issue.path)).toEqual(['c']);
    });

    it('passes on the code, message, hint and issues of an AppError', async () => {
      const failure = await failureOf(client.call('fail.app', {}));
      expect(failure.code).toBe('ERR_LAB_NOT_FOUND');
      expect(failure.message).toBe('Expected a lab id, found nowhere');
      expect(failure.hint).toBe('Open the course map');
      expect(failure.issues).toEqual([{ code: 'unknown', path: 'labId', message: 'No such lab' }]);
    });

    it('passes on a failure that comes later', async () => {
      expect((await failureOf(client.call('fail.later', {}))).code).toBe('ERR_LATE');
    });

    it('reports a bug as such and goes on answering', async () => {
      const failure = await failureOf(client.call('fail.bug', {}));
      expect(failure.code).toBe('ERR_INTERNAL');
      expect(failure.message).toContain('fail.bug');
      expect(failure.message).not.toContain('.ts:');
      expect(await client.call('math.add', { a: 1, b: 1 })).toEqual({ sum: 2 });
    });

    it('delivers events in order, before the answer that followed them', async () => {
      const seen: number[] = [];
      let bytes: Uint8Array | undefined;
      client.on('tick', (tick) => {
        seen.push(tick.n);
        bytes ??= tick.bytes;
      });
      await client.call('tick.emit', { count: 100 });
      expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n));
      expect([...(bytes ?? [])]).toEqual([1, 2, 3]);
    });

    it('stops delivering to a disposed listener only', async () => {
      const seen: string[] = [];
      const first = client.on('tick', () => seen.push('first'));
      client.on('tick', () => seen.push('second'));
      first.dispose();
      await client.call('tick.emit', { count: 1 });
      expect(seen).toEqual(['second']);
    });

    it('fails what is pending when the server goes, tells it, and refuses new calls', async () => {
      let isTold = false;
      client.onDisconnect(() => (isTold = true));
      const pending = failureOf(client.call('answer.slowly', { turns: 1e9 }));
      await client.call('math.add', { a: 1, b: 1 });
      await connection.dropServer();
      expect((await pending).code).toBe('ERR_DISCONNECTED');
      expect(isTold).toBe(true);
      expect((await failureOf(client.call('math.add', { a: 1, b: 1 }))).code).toBe(
        'ERR_DISCONNECTED',
      );
    });

    it('fails what is pending when the client is disposed', async () => {
      const pending = failureOf(client.call('answer.slowly', { turns: 1e9 }));
      client.dispose();
      expect((await pending).code).toBe('ERR_DISCONNECTED');
    });
  });
}
