import * as v from 'valibot';
import { AppError } from '../../../src-main/protocol/app-error.ts';
import { command, defineApi, event } from '../../../src-main/protocol/define-api.ts';
import type { RpcServer, RpcService } from '../../../src-main/protocol/rpc-server.ts';

const Empty = v.strictObject({});

/** A small API that has one command for each thing the boundary promises. */
export const fakeApi = defineApi({
  version: 7,
  commands: {
    'math.add': command(
      v.strictObject({ a: v.pipe(v.number(), v.integer()), b: v.optional(v.number(), 1) }),
    ).returns<{ readonly sum: number }>(),
    'echo.value': command(v.strictObject({ value: v.unknown() })).returns<{
      readonly value: unknown;
    }>(),
    'memory.read': command(v.strictObject({ length: v.number() })).returns<{
      readonly at: string;
      readonly bytes: Uint8Array;
      readonly tail: Uint8Array;
    }>(),
    'fail.app': command(Empty).returns<never>(),
    'fail.bug': command(Empty).returns<never>(),
    'fail.later': command(Empty).returns<never>(),
    'answer.nothing': command(Empty),
    'answer.slowly': command(v.strictObject({ turns: v.number() })).returns<{
      readonly turns: number;
    }>(),
    'tick.emit': command(v.strictObject({ count: v.number() })).returns<{
      readonly emitted: number;
    }>(),
  },
  events: {
    tick: event<{ readonly n: number; readonly bytes?: Uint8Array }>(),
  },
});

export type FakeApi = typeof fakeApi;

type Handlers = Readonly<Record<string, (params: never) => unknown>>;

export function createFakeService(emit: RpcServer<FakeApi>['emit']): RpcService {
  const handlers: Handlers = {
    'math.add': ({ a, b }: { a: number; b: number }) => ({ sum: a + b }),
    'echo.value': ({ value }: { value: unknown }) => ({ value }),
    'memory.read': ({ length }: { length: number }) => ({
      at: '0x00000000fee00000',
      bytes: Uint8Array.from({ length }, (_, index) => index & 0xff),
      tail: Uint8Array.of(0xde, 0xad),
    }),
    'fail.app': () => {
      throw new AppError('ERR_LAB_NOT_FOUND', 'Expected a lab id, found nowhere', {
        hint: 'Open the course map',
        issues: [{ code: 'unknown', path: 'labId', message: 'No such lab' }],
      });
    },
    'fail.bug': () => {
      throw new TypeError('x is not a function');
    },
    'fail.later': async () => {
      await Promise.resolve();
      throw new AppError('ERR_LATE', 'Failed after waiting');
    },
    'answer.nothing': () => undefined,
    'answer.slowly': async ({ turns }: { turns: number }) => {
      for (let turn = 0; turn < turns; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { turns };
    },
    'tick.emit': ({ count }: { count: number }) => {
      for (let n = 0; n < count; n += 1) {
        emit('tick', n === 0 ? { n, bytes: Uint8Array.of(1, 2, 3) } : { n });
      }
      return { emitted: count };
    },
  };
  return { handle: (method, params) => handlers[method]?.(params as never) };
}
