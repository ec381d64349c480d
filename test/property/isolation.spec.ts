/**
 * Whatever software says and devices do: an oracle that remembers what it judged finds the same as one that was just restored
 * from its state and remembers nothing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Trace } from '../../src-main/sim/core/trace.ts';
import {
  IsolationOracle,
  type IsolationState,
} from '../../src-main/sim/isolation/isolation-oracle.ts';
import type { IsolationCall, MemoryCall } from '../../src-main/sim/isolation/isolation-port.ts';
import { ADDRESS_TYPE } from '../../src-main/sim/index.ts';
import { INSTRUCTION_EXECUTED } from '../../src-main/spec/events/linux.ts';
import { checkProperty } from '../support/check-property.ts';

const PAGE = 4096;
const PAGES = 2;
const NAMES = ['vm-a', 'vm-b', 'app'] as const;
const RID = 0x6a08;
const TABLES = [0x10_0000, 0x20_0000] as const;
const FACTS = { cpuOf: (): number => 0 };

interface Access {
  readonly rid: number;
  readonly pasid: number;
  readonly page: number;
  readonly isTranslated: boolean;
  readonly isWrite: boolean;
  /** How many records ago its cause was made. */
  readonly age: number;
}

type Step = { readonly tell: IsolationCall } | { readonly access: Access };

const page = fc.nat({ max: PAGES - 1 }).map((n) => n * PAGE);
const name = fc.constantFrom(...NAMES);
const rid = fc.constant(RID);
const pasid = fc.nat({ max: 1 });
const range = fc.record({ address: page, bytes: fc.constant(PAGE) });

const memoryCall: fc.Arbitrary<MemoryCall> = fc.oneof(
  fc.record({
    op: fc.constant('own' as const),
    address: page,
    bytes: fc.constant(PAGE),
    owner: name,
  }),
  fc.record({ op: fc.constant('disown' as const), address: page }),
  fc.record({
    op: fc.constant('assign' as const),
    rid,
    pasid,
    space: fc.option(
      fc.record({
        principal: fc.option(name, { nil: undefined }),
        domain: fc.constantFrom('domain1', 'domain2'),
        table: fc.constantFrom(...TABLES),
        guestTable: fc.constantFrom(...TABLES),
      }),
      { nil: undefined },
    ),
  }),
  fc
    .tuple(fc.constantFrom('lend' as const, 'take-back' as const), range)
    .map(([op, lent]) => ({ op, domain: 'domain1', ...lent })),
);

const call: fc.Arbitrary<IsolationCall> = fc.oneof(
  memoryCall,
  memoryCall.map((inner): IsolationCall => ({
    op: 'in-guest',
    vm: 'vm-a',
    name: 'a',
    call: inner,
  })),
  fc
    .record({ principal: name, process: fc.constantFrom('vm-b', 'app', undefined) })
    .map((actor): IsolationCall => ({ op: 'act', actor })),
  fc.constant<IsolationCall>({ op: 'act', actor: undefined }),
  fc.tuple(page, page).map(([gpa, address]): IsolationCall => ({
    op: 'back',
    vm: 'vm-a',
    gpa,
    address,
    bytes: PAGE,
  })),
  page.map((gpa): IsolationCall => ({ op: 'unback', vm: 'vm-a', gpa, bytes: PAGE })),
  fc.constant<IsolationCall>({ op: 'forget-guest', vm: 'vm-a' }),
);

const access: fc.Arbitrary<Access> = fc.record({
  rid,
  pasid: fc.constantFrom(-1, 1),
  page,
  isTranslated: fc.boolean(),
  isWrite: fc.boolean(),
  age: fc.nat({ max: 1 }),
});

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: call.map((tell) => ({ tell })) },
    { weight: 4, arbitrary: access.map((it) => ({ access: it })) },
  ),
  { minLength: 60, maxLength: 120 },
);

function reach(oracle: IsolationOracle, trace: Trace, how: Access): number {
  const before = trace.head;
  const request = {
    pasid: how.pasid,
    isPrivileged: false,
    isExecute: false,
    addressType: how.isTranslated ? ADDRESS_TYPE.translated : ADDRESS_TYPE.untranslated,
    high: 0,
    low: how.page,
    bytes: 8,
    trafficClass: 0,
  };
  trace.cause = Math.max(0, before - 1 - how.age);
  oracle.reached(how.rid, request, 0, how.page, how.isWrite);
  return trace.head - before;
}

/** What an oracle without a memory of judgements finds, at the same place of an equal trace. */
function reachAnew(state: IsolationState, head: number, how: Access): number {
  const trace = new Trace({ mode: 'count' });
  while (trace.head < head) {
    trace.end();
  }
  const fresh = new IsolationOracle(trace, FACTS);
  fresh.restore(state);
  return reach(fresh, trace, how);
}

/** Owners do not overlap: a kernel gives no page to two. */
function isPossible(state: IsolationState, tell: IsolationCall): boolean {
  const inner = tell.op === 'in-guest' ? tell.call : tell;
  const guest = state.guests.find(([vm]) => vm === 'vm-a')?.[1];
  const owners = tell.op === 'in-guest' ? (guest?.known.owners ?? []) : state.host.owners;
  return inner.op !== 'own' || owners.every(({ start }) => start !== inner.address);
}

describe('the isolation oracle', () => {
  it('finds with its memory of judgements what it finds without', () => {
    let breaches = 0;
    let judged = 0;
    checkProperty(
      fc.property(steps, (all) => {
        const trace = new Trace({ mode: 'count' });
        const oracle = new IsolationOracle(trace, FACTS);
        for (const step of all) {
          if ('tell' in step) {
            if (isPossible(oracle.snapshot(), step.tell)) {
              oracle.tell(step.tell);
              trace.record(INSTRUCTION_EXECUTED, 0, 'app', 'ENQCMD', 0n, 'accepted');
            }
            continue;
          }
          const expected = reachAnew(oracle.snapshot(), trace.head, step.access);
          const found = reach(oracle, trace, step.access);
          breaches += found;
          judged += 1;
          expect(found).toBe(expected);
        }
      }),
    );
    // Both kinds come often, or the comparison would say little.
    expect(breaches).toBeGreaterThan(judged / 20);
    expect(breaches).toBeLessThan(judged * 0.9);
  });
});
