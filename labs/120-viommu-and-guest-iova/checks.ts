/** The VMM's part of a guest's IOMMU: entries that follow the guest's, invalidations that arrive, in time, and an end. */
import {
  PGTT,
  check,
  defineChecks,
  events,
  toHex,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

/** Where guests see the registers of their unit, and the VMM keeps a first stage without entries. */
const EMPTY_TABLE = 0xfed9_0000n;
/** Queues of the two devices, as guest.ts names the devices. */
const DEVICES = ['first device', 'second device'] as const;
const FIRST_VALUE = 0x11;
const SECOND_VALUE = 0x22;
/** Type of the PASID-based IOTLB invalidation, in the guest's queue and in the host's. */
const PASID_IOTLB = 6;

const SHOW_WALK: ViewLink = { view: 'nested-walk', label: 'Show both stages' };
const SHOW_QUEUE: ViewLink = { view: 'invalidation-queue', label: 'Show the invalidation queue' };

/** The host's PASID entry that carries the requests of a device, and whose first stage it has. */
function entryOf(facts: RunFacts, device: number) {
  const [dsa] = facts.devices;
  const enqueued = facts.trace.first(events.dsa.DESCRIPTOR_ENQUEUED, { wq: device });
  const pasid = enqueued?.values.pasid ?? -1;
  const found = dsa === undefined || pasid < 0 ? undefined : facts.tables.pasidEntry(dsa.rid, pasid);
  const isNested = found?.values.P === 1 && found.values.PGTT === PGTT.nested;
  const stage = !isNested ? 'absent' : found.values.FSPTPTR === EMPTY_TABLE ? 'empty' : 'the guest’s';
  return {
    pasid,
    stage,
    place: {
      object: `PASID entry ${toHex(Math.max(0, pasid))} of the ${DEVICES[device] ?? 'device'}`,
      field: 'first stage',
      actual: stage,
      at: enqueued,
      link: SHOW_WALK,
    },
  };
}

/** What the nth copy of a device brought. */
function copied(facts: RunFacts, device: string, copy: 'first' | 'second') {
  const report = facts.report(`${device} ${copy}`);
  return { value: report === undefined ? undefined : Number(report.value), record: report?.record };
}

export const checks = defineChecks([
  check({
    id: 'nested',
    step: 'entry',
    title: 'The host’s entry nests the guest’s table on the VM’s second stage',
    hint: 'entry-hint-1',
    pass: 'The first stage of the first device is the guest’s',
    fail: {
      flat: '{object}: {field} is {actual}, expected {expected}. The device reaches nothing',
    },
    test: (facts, { pass, fail }) => {
      const { stage, place } = entryOf(facts, 0);
      if (stage === 'the guest’s') return pass({});
      return fail('flat', { ...place, expected: 'the guest’s' });
    },
  }),
  check({
    id: 'arrived',
    step: 'entry',
    after: ['nested'],
    title: 'A copy by the guest’s own addresses arrives, on both devices',
    hint: 'entry-hint-2',
    pass: 'Both first copies brought their byte',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. When it ran, the host had no nested entry for this device',
      stopped: '{object}: {field} is {actual}, expected {expected}. The script stopped on the way: see the console',
    },
    test: (facts, { pass, fail }) => {
      for (const [i, device] of DEVICES.entries()) {
        const { value, record } = copied(facts, device, 'first');
        const place = { object: `first copy of the ${device}`, field: 'byte', expected: toHex(FIRST_VALUE), link: SHOW_WALK };
        if (value === undefined) return fail('stopped', { ...place, actual: 'missing' });
        if (value === FIRST_VALUE) continue;
        const blocked = facts.trace.first(events.iommu.REQUEST_BLOCKED, { pasid: entryOf(facts, i).pasid });
        return fail('lost', { ...place, actual: toHex(value), at: blocked ?? record });
      }
      return pass({});
    },
  }),
  check({
    id: 'fresh',
    step: 'invalidation',
    after: ['arrived'],
    title: 'After a new mapping at an old address, no device sees the old page',
    hint: 'invalidation-hint-1',
    pass: 'Both second copies read the page that the guest had mapped last',
    fail: {
      stale: '{object}: {field} is {actual}, expected {expected}. The host still caches where the guest’s address led before',
    },
    test: (facts, { pass, fail }) => {
      for (const device of DEVICES) {
        const { value, record } = copied(facts, device, 'second');
        if (value === SECOND_VALUE) continue;
        return fail('stale', {
          object: `second copy of the ${device}`,
          field: 'byte',
          expected: toHex(SECOND_VALUE),
          actual: toHex(value ?? 0),
          at: record,
          link: SHOW_QUEUE,
        });
      }
      return pass({});
    },
  }),
  check({
    id: 'order',
    step: 'waiting',
    after: ['fresh'],
    title: 'The guest waits as long as the host has work of it',
    hint: 'waiting-hint-1',
    pass: '{count} waits, each completed after the host’s own invalidation',
    fail: {
      early: '{object}: {field} is {actual}, expected {expected}. The guest goes on while the device can still use the old page',
    },
    test: (facts, { pass, fail }) => {
      const calls = facts.trace.all(events.script.SCRIPT_CALLED, { path: 'guest.ts', call: 'dma_unmap_single' });
      for (const [i, call] of calls.entries()) {
        const rest = facts.trace.after(call);
        const wait = rest.first(events.script.SCRIPT_CALLED, { path: 'viommu.ts', call: 'viommu_complete_wait' });
        const before = wait === undefined ? rest : rest.before(wait);
        const executed = before.count(events.iommu.DESCRIPTOR_EXECUTED, { type: PASID_IOTLB });
        if (wait !== undefined && executed > 0) continue;
        return fail('early', {
          object: `wait of unmapping ${String(i + 1)}`,
          field: 'IOTLB invalidations of the host before it',
          expected: 'at least 1',
          actual: executed,
          at: wait ?? call,
          link: SHOW_QUEUE,
        });
      }
      return pass({ count: calls.length });
    },
  }),
  check({
    id: 'gone',
    step: 'removal',
    after: ['arrived'],
    title: 'An entry that the guest removed is no longer nested on the host',
    hint: 'removal-hint-1',
    pass: 'The first stage of the second device is empty',
    fail: {
      bound: '{object}: {field} is {actual}, expected {expected}. The guest’s kernel will use the pages of this table for something else',
    },
    test: (facts, { pass, fail }) => {
      const { stage, place } = entryOf(facts, 1);
      if (stage === 'empty') return pass({});
      return fail('bound', { ...place, expected: 'empty' });
    },
  }),
]);
