/** PASIDs of guests in real queues: translated, in the right set, refused when unknown, counted while they are used. */
import {
  check,
  defineChecks,
  events,
  toHex,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const VMS = ['red', 'blue'] as const;
/** The ids of each VM, in the order in which the VMs started. */
const SETS: Readonly<Record<string, string>> = { red: 'ioasid_set1', blue: 'ioasid_set2' };
/** Error 26h of Enable WQ. */
const WQ_PASID = 0x26;
/** Allocation, nested entry, translation of the CPU, queue. */
const REFERENCES = 4;

const SHOW_SETS: ViewLink = { view: 'ioasid', label: 'Show the sets' };
const SHOW_QUEUES: ViewLink = { view: 'work-queues', label: 'Show the queues' };

/** What run.ts saw of the number that the program of a VM had at this time. */
function numberOf(facts: RunFacts, when: string, vm: string) {
  const seen = facts.trace
    .all(events.script.VALUE_REPORTED)
    .find(({ values }) => values.key.startsWith(`${when} ${SETS[vm] ?? ''} `));
  return seen === undefined
    ? undefined
    : { id: Number(seen.values.key.split(' ').at(-1)), references: Number(seen.values.value), record: seen };
}

/** PASID that the queue of a VM put on a copy: its first one, or its last. */
function sentBy(facts: RunFacts, wq: number, copy: 'first' | 'last') {
  return copy === 'first'
    ? facts.trace.first(events.dsa.DESCRIPTOR_ENQUEUED, { wq })
    : facts.trace.last(events.dsa.DESCRIPTOR_ENQUEUED, { wq });
}

function pasidMismatch(facts: RunFacts, wq: number, when: 'busy' | 'again') {
  const sent = sentBy(facts, wq, when === 'busy' ? 'first' : 'last');
  const wanted = numberOf(facts, when, VMS[wq] ?? '');
  if (wanted !== undefined && sent?.values.pasid === wanted.id) return undefined;
  return {
    object: `wq0.${String(wq)}, the queue of ${VMS[wq] ?? ''}`,
    field: 'WQ PASID',
    expected: wanted === undefined ? 'the host’s number' : toHex(wanted.id),
    actual: sent === undefined ? 'none' : toHex(sent.values.pasid),
    at: sent,
    link: SHOW_QUEUES,
  };
}

export const checks = defineChecks([
  check({
    id: 'translated',
    step: 'translate',
    title: 'The queue of red carries the host’s number',
    hint: 'translate-hint-1',
    pass: 'WQ PASID is the host’s number of red’s program',
    fail: {
      raw: '{object}: {field} is {actual}, expected {expected}. To the IOMMU, a number of a guest is the address space of somebody else',
    },
    test: (facts, { pass, fail }) => {
      const mismatch = pasidMismatch(facts, 0, 'busy');
      return mismatch === undefined ? pass({}) : fail('raw', mismatch);
    },
  }),
  check({
    id: 'own',
    step: 'own',
    after: ['translated'],
    title: 'The same number of another VM is another number of the host',
    hint: 'own-hint-1',
    pass: 'Red and blue use one number, their queues two',
    fail: {
      foreign: '{object}: {field} is {actual}, expected {expected}. It was looked up in the set of another VM',
    },
    test: (facts, { pass, fail }) => {
      const mismatch = pasidMismatch(facts, 1, 'busy');
      return mismatch === undefined ? pass({}) : fail('foreign', mismatch);
    },
  }),
  check({
    id: 'rebound',
    step: 'own',
    after: ['own'],
    title: 'The next program is looked up again',
    hint: 'own-hint-2',
    pass: 'After the rebind, both queues carry the new numbers',
    fail: {
      stale: '{object}: {field} is {actual}, expected {expected}. The program before it had this number, and it is somebody else’s now',
    },
    test: (facts, { pass, fail }) => {
      const mismatch = pasidMismatch(facts, 0, 'again') ?? pasidMismatch(facts, 1, 'again');
      return mismatch === undefined ? pass({}) : fail('stale', mismatch);
    },
  }),
  check({
    id: 'refused',
    step: 'refuse',
    after: ['translated'],
    title: 'A number that the guest does not own is refused',
    hint: 'refuse-hint-1',
    pass: 'Enable WQ ends with error 26h',
    fail: {
      accepted: '{object}: {field} is {actual}, expected {expected}. A queue that is on must not carry a number that its guest never got',
    },
    test: (facts, { pass, fail }) => {
      const rogue = facts.report('rogue');
      if (Number(rogue?.value) === WQ_PASID) return pass({});
      const actual = rogue === undefined ? 'missing' : toHex(Number(rogue.value));
      const object = 'Enable WQ of red with PASID 0x777';
      return fail('accepted', { object, field: 'error', expected: toHex(WQ_PASID), actual, at: rogue?.record, link: SHOW_QUEUES });
    },
  }),
  check({
    id: 'held',
    step: 'references',
    after: ['own'],
    title: 'A number in a queue has a reference of the queue',
    hint: 'references-hint-1',
    pass: 'Four references while the queue is on, one when it is off',
    fail: {
      count: '{object}: {field} is {actual}, expected {expected}. Allocation, nested entry, CPU and queue use it',
      early: '{object}: {field} is {actual}, expected {expected}. Its program still has the number, and the queue has let go of it',
    },
    test: (facts, { pass, fail }) => {
      for (const vm of VMS) {
        const busy = numberOf(facts, 'busy', vm);
        if (busy?.references === REFERENCES) continue;
        return fail('count', {
          object: `Host PASID ${toHex(busy?.id ?? 0)} of ${vm}`,
          field: 'references',
          expected: REFERENCES,
          actual: busy?.references ?? 0,
          at: busy?.record,
          link: SHOW_SETS,
        });
      }
      const closed = numberOf(facts, 'closed', VMS[0]);
      if (closed?.references === 1) return pass({});
      return fail('early', {
        object: `Host PASID of ${VMS[0]}, after close`,
        field: 'references',
        expected: 1,
        actual: closed?.references ?? 0,
        at: closed?.record,
        link: SHOW_SETS,
      });
    },
  }),
]);
