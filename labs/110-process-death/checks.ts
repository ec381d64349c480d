/** What is left of a process that died with work in the device: in which order it went, and who suffered. */
import {
  check,
  defineChecks,
  events,
  toHex,
  type AnyRecord,
  type RunFacts,
  type TraceQuery,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const ACCELERATOR = 'dsa0';
const SHARED = 0;
const DEDICATED = 1;
const WQ_ENABLED = 1;
const KILL_POINTS = 8;
const SHARERS = 2;
const PRESENT = 1n;

const QUEUES: ViewLink = {
  view: 'work-queues',
  params: { unit: ACCELERATOR },
  label: 'Show the work queues',
};

function pasidLink(facts: RunFacts, pasid: number): ViewLink {
  const params = { rid: toHex(facts.device(ACCELERATOR).rid, 4), pasid };
  return { view: 'pasid-table', params, label: 'Show the PASID table' };
}

/** The steps of an exit by name, as they stand in the trace. */
function exitOrder(facts: RunFacts): readonly { readonly name: string; readonly at: AnyRecord }[] {
  const start = facts.report('orphan dies')?.record;
  const end = facts.report('order')?.record;
  if (start === undefined || end === undefined) return [];
  const trace = facts.trace.after(start).before(end);
  const { linux, dsa } = events;
  const blocked = trace.first(linux.PASID_ENTRY_WRITTEN, {
    word: 0,
    new: (word) => (BigInt(word) & PRESENT) === 0n,
  });
  const flushed =
    blocked === undefined ? undefined : trace.after(blocked).first(linux.INVALIDATION_FINISHED);
  const steps: readonly (readonly [string, AnyRecord | undefined])[] = [
    ['blocked', blocked],
    ['flushed', flushed],
    ['unmapped', trace.first(linux.PAGING_ENTRY_WRITTEN, { table: 'orphan' })],
    ['drained', trace.first(dsa.COMMAND_COMPLETED)],
    ['unbound', trace.first(linux.PASID_ENTRY_WRITTEN, { word: 0, new: (w) => BigInt(w) === 0n })],
    ['freed', trace.first(linux.PASID_FREED)],
  ];
  return steps
    .flatMap(([name, at]) => (at === undefined ? [] : [{ name, at }]))
    .toSorted((a, b) => a.at.seq - b.at.seq);
}

/** Descriptors of a PASID that a portal took and that have not ended. */
function inDevice(trace: TraceQuery, pasid: number): number {
  const { DESCRIPTOR_ENQUEUED, DESCRIPTOR_COMPLETED, DESCRIPTOR_FAILED, DESCRIPTOR_DROPPED } =
    events.dsa;
  const gone = [DESCRIPTOR_COMPLETED, DESCRIPTOR_FAILED].reduce(
    (sum, kind) => sum + trace.count(kind, { pasid }),
    trace.count(DESCRIPTOR_DROPPED, { pasid }),
  );
  return trace.count(DESCRIPTOR_ENQUEUED, { pasid }) - gone;
}

interface Freed {
  readonly owner: string;
  readonly pasid: number;
  readonly left: number;
  readonly at: AnyRecord;
}

/** PASIDs that went back to the pool, and what of them was still in the device then. */
function freedOf(facts: RunFacts, owners: string): readonly Freed[] {
  return facts.trace
    .all(events.linux.PASID_FREED, { owner: (owner) => owner.startsWith(owners) })
    .map((at) => ({
      owner: at.values.owner,
      pasid: at.values.pasid,
      left: inDevice(facts.trace.before(at), at.values.pasid),
      at,
    }));
}

export const checks = defineChecks([
  check({
    id: 'order',
    step: 'order',
    title: 'The order in which an exit goes',
    hint: 'order-hint-1',
    pass: '{order}',
    fail: {
      misplaced:
        '{object}: {field} is {actual}, expected {expected}. The trace shows where it stands among the six',
      missing: '{object}: {field} is {actual}, expected {expected}. Name all six, each once',
    },
    test: (facts, { pass, fail }) => {
      const steps = exitOrder(facts);
      const named = (facts.report('order')?.value ?? '').split(' ');
      const missing = steps.find(({ name }) => !named.includes(name));
      if (missing !== undefined || named.length !== steps.length) {
        return fail('missing', {
          object: 'ORDER',
          field: 'events named',
          expected: steps.length,
          actual: steps.filter(({ name }) => named.includes(name)).length,
          at: missing?.at,
        });
      }
      for (const [place, { name, at }] of steps.entries()) {
        if (named[place] !== name) {
          return fail('misplaced', {
            object: `"${name}" in ORDER`,
            field: 'place',
            expected: place + 1,
            actual: named.indexOf(name) + 1,
            at,
          });
        }
      }
      return pass({ order: named.join(', ') }, { at: steps[0]?.at });
    },
  }),
  check({
    id: 'inherited',
    step: 'dedicated',
    after: ['order'],
    title: 'No client inherits the work of a dead one',
    hint: 'dedicated-hint-1',
    pass: '{count} clients, and each found its PASID unused',
    fail: {
      inherited:
        '{object}: {field} is {actual}, expected {expected}. They carry the number that is now its own, so the device does them in its memory: stop the queue before the number goes back',
    },
    test: (facts, { pass, fail }) => {
      const allocated = facts.trace.all(events.linux.PASID_ALLOCATED, {
        owner: (owner) => owner.startsWith('victim'),
      });
      for (const at of allocated) {
        const { pasid, owner } = at.values;
        const inherited = inDevice(facts.trace.before(at), pasid);
        if (inherited > 0) {
          return fail('inherited', {
            object: `PASID ${String(pasid)} of ${owner}`,
            field: 'descriptors of a predecessor',
            expected: 0,
            actual: inherited,
            at,
            link: QUEUES,
          });
        }
      }
      return pass({ count: allocated.length }, { at: allocated[0] });
    },
  }),
  check({
    id: 'quiet',
    step: 'dedicated',
    after: ['inherited'],
    title: 'No PASID of a dead client goes back while its work is in the device',
    hint: 'dedicated-hint-1',
    pass: '{count} clients died at {count} moments, and none left a descriptor',
    fail: {
      left: '{object}: {field} is {actual}, expected {expected}. The next process gets this number, and the descriptors with it: stop the queue, then unbind',
      kept: '{object}: {field} is {actual}, expected {expected}. Without its unbind a number never comes back',
    },
    test: (facts, { pass, fail }) => {
      const freed = freedOf(facts, 'victim');
      const early = freed.find(({ left }) => left > 0);
      if (early !== undefined) {
        return fail('left', {
          object: `PASID ${String(early.pasid)} of ${early.owner}`,
          field: 'descriptors left when freed',
          expected: 0,
          actual: early.left,
          at: early.at,
          link: QUEUES,
        });
      }
      if (freed.length !== KILL_POINTS) {
        return fail('kept', {
          object: 'Clients of the dedicated queue',
          field: 'PASIDs freed',
          expected: KILL_POINTS,
          actual: freed.length,
          at: freed.at(-1)?.at,
        });
      }
      return pass({ count: freed.length }, { at: freed[0]?.at });
    },
  }),
  check({
    id: 'forgotten',
    step: 'dedicated',
    after: ['quiet'],
    title: 'The dedicated queue has forgotten its client, and works',
    hint: 'dedicated-hint-2',
    pass: 'WQ 1 is enabled and has no PASID',
    fail: {
      remembered:
        '{object}: {field} is {actual}, expected {expected}. The queue would go on in the name of a client that is gone',
      off: '{object}: {field} is {actual}, expected {expected}. Stopped for the dead, it must start again for the living',
    },
    test: (facts, { pass, fail }) => {
      const queue = facts.device(ACCELERATOR).workQueue(DEDICATED);
      const place = { object: 'WQ 1', link: QUEUES };
      if (queue.values.pasidEnable !== 0) {
        const counts = { expected: 0, actual: queue.values.pasidEnable };
        const at = facts.trace.last(events.dsa.WQ_ENABLED, { wq: DEDICATED });
        return fail('remembered', { ...place, field: 'pasidEnable', ...counts, at });
      }
      if (queue.values.state !== WQ_ENABLED) {
        const counts = { expected: WQ_ENABLED, actual: queue.values.state };
        const at = facts.trace.last(events.dsa.WQ_DISABLED, { wq: DEDICATED });
        return fail('off', { ...place, field: 'state', ...counts, at });
      }
      return pass({}, { at: facts.trace.last(events.dsa.WQ_ENABLED, { wq: DEDICATED }) });
    },
  }),
  check({
    id: 'others',
    step: 'shared',
    after: ['forgotten'],
    title: 'The neighbour in the shared queue notices nothing',
    hint: 'shared-hint-1',
    pass: '{count} Moves of the neighbour done, none refused',
    fail: {
      refused:
        '{object}: {field} is {actual}, expected {expected}. A queue that is off answers Retry to everybody: stop one PASID and not the queue',
    },
    test: (facts, { pass, fail }) => {
      const allocated = facts.trace.last(events.linux.PASID_ALLOCATED, { owner: 'neighbour' });
      const pasid = allocated?.values.pasid ?? 0;
      const refused = facts.trace.all(events.dsa.PORTAL_RETRIED, { wq: SHARED, pasid });
      if (refused.length > 0) {
        return fail('refused', {
          object: 'Neighbour in WQ 0',
          field: 'submissions refused',
          expected: 0,
          actual: refused.length,
          at: refused[0],
          link: QUEUES,
        });
      }
      const done = facts.trace.all(events.dsa.DESCRIPTOR_COMPLETED, { wq: SHARED, pasid });
      return pass({ count: done.length }, { at: done[0] });
    },
  }),
  check({
    id: 'shared-quiet',
    step: 'shared',
    after: ['others'],
    title: 'The shared queue holds nothing of a PASID that goes back',
    hint: 'shared-hint-2',
    pass: '{count} clients died, and none left a descriptor',
    fail: {
      left: '{object}: {field} is {actual}, expected {expected}. The number is for the next process now: drain the PASID before the unbind',
      kept: '{object}: {field} is {actual}, expected {expected}. Without its unbind a number never comes back',
    },
    test: (facts, { pass, fail }) => {
      const freed = freedOf(facts, 'sharer');
      const early = freed.find(({ left }) => left > 0);
      if (early !== undefined) {
        return fail('left', {
          object: `PASID ${String(early.pasid)} of ${early.owner}`,
          field: 'descriptors left when freed',
          expected: 0,
          actual: early.left,
          at: early.at,
          link: pasidLink(facts, early.pasid),
        });
      }
      if (freed.length !== SHARERS) {
        return fail('kept', {
          object: 'Clients of the shared queue',
          field: 'PASIDs freed',
          expected: SHARERS,
          actual: freed.length,
          at: freed.at(-1)?.at,
        });
      }
      return pass({ count: freed.length }, { at: freed[0]?.at });
    },
  }),
]);
