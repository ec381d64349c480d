/** What became of each descriptor: taken, finished, refused or lost. The device's own records tell. */
import {
  OPCODE,
  STATUS,
  STATUS_NAMES,
  check,
  defineChecks,
  events,
  toHex,
  type AnyRecord,
  type Report,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const DEDICATED = 0;
const SHARED = 1;
const BATCH_MEMBERS = 3;

/** The status that each broken descriptor must end with. */
const REFUSALS: readonly (readonly [name: string, status: number])[] = [
  ['opcode', STATUS.opcode],
  ['flags', STATUS.flags],
  ['reserved', STATUS.reserved],
  ['size', STATUS.transferSize],
  ['count', STATUS.descriptorCount],
  ['misaligned', STATUS.recordAlignment],
];

const QUEUES: ViewLink = {
  view: 'work-queues',
  params: { unit: 'dsa0' },
  label: 'Show the work queues',
};
const PORTALS: ViewLink = { view: 'portals', params: { unit: 'dsa0' }, label: 'Show the portals' };

const statusText = (status: number): string =>
  `${STATUS_NAMES[status] ?? 'no status'} (${toHex(status, 2)})`;

interface End {
  readonly record: AnyRecord;
  readonly status: number;
  readonly bytes: number;
  readonly isRecordWritten: boolean;
}

/** Descriptors of a queue that the device finished, well or not, in order. */
function ends(facts: RunFacts, wq: number, operation?: number): readonly End[] {
  const where = { wq, ...(operation === undefined ? {} : { operation }) };
  const { DESCRIPTOR_COMPLETED, DESCRIPTOR_FAILED } = events.dsa;
  return [
    ...facts.trace.all(DESCRIPTOR_COMPLETED, where),
    ...facts.trace.all(DESCRIPTOR_FAILED, where),
  ]
    .toSorted((a, b) => a.seq - b.seq)
    .map((record) => ({
      record,
      status: record.values.status,
      bytes: record.values.bytes,
      isRecordWritten: record.values.isRecordWritten === 1,
    }));
}

/** The first descriptor of an operation, if it ended before the program reported it. */
function endOf(facts: RunFacts, operation: number, report: Report | undefined): End | undefined {
  const first = ends(facts, DEDICATED, operation)[0];
  return report !== undefined && first !== undefined && first.record.seq < report.record.seq
    ? first
    : undefined;
}

/** The last descriptor that ended between two reports. */
function endBefore(facts: RunFacts, report: Report, earlier: Report | undefined): End | undefined {
  return ends(facts, DEDICATED).findLast(
    ({ record }) => record.seq < report.record.seq && record.seq > (earlier?.record.seq ?? -1),
  );
}

export const checks = defineChecks([
  check({
    id: 'move-answered',
    step: 'move',
    title: 'The Move is done and its record is written',
    hint: 'move-hint-1',
    pass: 'The Move ended with {status}',
    fail: {
      silent:
        '{object}: {field} is {actual}, expected {expected}. The device did the work and told nobody: it needs a valid record address, and a request for the record',
      refused:
        '{object}: {field} is {actual}, expected {expected}. The status says what the device found wrong',
      absent:
        '{object}: {field} is {actual}, expected {expected}. Store it to the portal of the dedicated queue',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('move');
      const first = endOf(facts, OPCODE.memoryMove, report);
      const place = {
        object: 'Memory Move in WQ 0',
        at: first?.record ?? report?.record,
        link: QUEUES,
      };
      if (first === undefined) {
        return fail('absent', { ...place, field: 'descriptors finished', expected: 1, actual: 0 });
      }
      if (first.status !== STATUS.success) {
        const [expected, actual] = [statusText(STATUS.success), statusText(first.status)];
        return fail('refused', { ...place, field: 'status', expected, actual });
      }
      if (!first.isRecordWritten) {
        return fail('silent', { ...place, field: 'records written', expected: 1, actual: 0 });
      }
      return pass({ status: statusText(first.status) }, { at: first.record });
    },
  }),
  check({
    id: 'fill-fresh',
    step: 'again',
    after: ['move-answered'],
    title: 'The status of the Fill is its own',
    hint: 'again-hint-1',
    pass: 'The Fill ended with {status}, and it was read afterwards',
    fail: {
      absent: '{object}: {field} is {actual}, expected {expected}. Build a Fill, opcode 04h',
      refused:
        '{object}: {field} is {actual}, expected {expected}. The status says what the device found wrong',
      stale:
        '{object}: {field} is {actual}, expected {expected}. The record still held the success of the Move',
    },
    test: (facts, { pass, fail }) => {
      const fill = ends(facts, DEDICATED, OPCODE.fill)[0];
      const report = facts.report('fill');
      const place = { object: 'Fill in WQ 0', at: fill?.record ?? report?.record, link: QUEUES };
      if (fill === undefined) {
        return fail('absent', { ...place, field: 'descriptors finished', expected: 1, actual: 0 });
      }
      if (fill.status !== STATUS.success) {
        const [expected, actual] = [statusText(STATUS.success), statusText(fill.status)];
        return fail('refused', { ...place, field: 'status', expected, actual });
      }
      if (report === undefined || report.record.seq < fill.record.seq) {
        const [expected, actual] = ['after the device wrote it', 'before the device wrote it'];
        return fail('stale', {
          ...place,
          at: report?.record,
          field: 'status read',
          expected,
          actual,
        });
      }
      return pass({ status: statusText(fill.status) }, { at: fill.record });
    },
  }),
  check({
    id: 'batch-done',
    step: 'again',
    after: ['fill-fresh'],
    title: 'A Batch of three Moves is done',
    hint: 'again-hint-2',
    pass: 'The Batch ended with {status} after {count} descriptors',
    fail: {
      absent: '{object}: {field} is {actual}, expected {expected}. Build a Batch, opcode 01h',
      refused:
        '{object}: {field} is {actual}, expected {expected}. The status says what the device found wrong',
      members:
        '{object}: {field} is {actual}, expected {expected}. The device runs what it finds at desc_list_addr, desc_count descriptors of it',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('batch');
      const batch = endOf(facts, OPCODE.batch, report);
      const place = { object: 'Batch in WQ 0', at: batch?.record ?? report?.record, link: QUEUES };
      if (batch === undefined) {
        return fail('absent', { ...place, field: 'descriptors finished', expected: 1, actual: 0 });
      }
      if (batch.status !== STATUS.success) {
        const [expected, actual] = [statusText(STATUS.success), statusText(batch.status)];
        return fail('refused', { ...place, field: 'status', expected, actual });
      }
      const moves = facts.trace
        .before(batch.record)
        .count(events.dsa.MEMBER_DISPATCHED, { wq: DEDICATED, operation: OPCODE.memoryMove });
      if (moves !== BATCH_MEMBERS) {
        const counts = { expected: BATCH_MEMBERS, actual: moves };
        return fail('members', { ...place, field: 'Moves in it', ...counts });
      }
      return pass({ status: statusText(batch.status), count: batch.bytes }, { at: batch.record });
    },
  }),
  check({
    id: 'six-refusals',
    step: 'refusals',
    after: ['batch-done'],
    title: 'Each broken descriptor is refused for its own reason',
    hint: 'refusals-hint-1',
    pass: 'Refused with {codes}',
    fail: {
      other: '{object}: {field} is {actual}, expected {expected}',
      healthy: '{object}: {field} is {actual}, expected {expected}. Nothing is wrong with it yet',
      missing: '{object}: {field} is {actual}, expected {expected}. Submit all six',
    },
    test: (facts, { pass, fail }) => {
      let earlier = facts.report('batch');
      for (const [name, status] of REFUSALS) {
        const report = facts.report(`refusal ${name}`);
        const end = report === undefined ? undefined : endBefore(facts, report, earlier);
        const place = {
          object: `Descriptor "${name}"`,
          field: 'status',
          expected: statusText(status),
          at: end?.record ?? report?.record ?? earlier?.record,
          link: QUEUES,
        };
        if (end === undefined) return fail('missing', { ...place, actual: 'not submitted' });
        const actual = statusText(end.status);
        if (end.status === STATUS.success) return fail('healthy', { ...place, actual });
        if (end.status !== status) return fail('other', { ...place, actual });
        earlier = report;
      }
      return pass({ codes: REFUSALS.map(([, status]) => toHex(status, 2)).join(', ') });
    },
  }),
  check({
    id: 'status-read',
    step: 'refusals',
    after: ['six-refusals'],
    title: 'The program sees five reasons, and silence for the sixth',
    hint: 'refusals-hint-2',
    pass: 'Five records read, none for the descriptor whose record has no place',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. That is what lies in the record after the device is done',
    },
    test: (facts, { pass, fail }) => {
      for (const [name, status] of REFUSALS) {
        const report = facts.report(`refusal ${name}`);
        const written = status === STATUS.recordAlignment ? 0 : status;
        if (Number(report?.value) !== written) {
          return fail('differs', {
            object: `Descriptor "${name}"`,
            field: 'status reported',
            expected: written === 0 ? 'none (0x0)' : statusText(written),
            actual: statusText(Number(report?.value ?? 0)),
            at: report?.record,
          });
        }
      }
      return pass();
    },
  }),
  check({
    id: 'nothing-lost',
    step: 'dedicated',
    after: ['move-answered'],
    title: 'No descriptor for the dedicated queue is lost',
    hint: 'dedicated-hint-1',
    pass: '{count} descriptors through a queue of {size} entries, none lost',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. A posted store to a full queue vanishes, so the program has to count the free entries itself',
      few: '{object}: {field} is {actual}, expected {expected}. Submit every copy',
      unanswered:
        '{object}: {field} is {actual}, expected {expected}. Wait for every record before you call the work done',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('dedicated');
      const wanted = Number(report?.value ?? 0);
      const { PORTAL_IGNORED, DESCRIPTOR_ENQUEUED, DESCRIPTOR_COMPLETED } = events.dsa;
      const lost = facts.trace.all(PORTAL_IGNORED, { wq: DEDICATED });
      const place = { object: 'WQ 0', link: QUEUES };
      if (lost.length > 0) {
        const counts = { expected: 0, actual: lost.length };
        return fail('lost', { ...place, field: 'descriptors lost', ...counts, at: lost[0] });
      }
      const from = facts.report('refusal misaligned')?.record;
      const crowd = from === undefined ? facts.trace : facts.trace.after(from);
      const taken = crowd.count(DESCRIPTOR_ENQUEUED, { wq: DEDICATED });
      if (report === undefined || taken < wanted) {
        const expected = wanted === 0 ? 'the whole crowd' : wanted;
        const at = report?.record;
        return fail('few', { ...place, field: 'descriptors taken', expected, actual: taken, at });
      }
      const done = crowd.before(report.record).count(DESCRIPTOR_COMPLETED, { wq: DEDICATED });
      if (done < wanted) {
        const counts = { expected: wanted, actual: done, at: report.record };
        return fail('unanswered', {
          ...place,
          field: 'descriptors finished when reported',
          ...counts,
        });
      }
      const { size } = facts.device('dsa0').workQueue(DEDICATED).values;
      return pass({ count: wanted, size });
    },
  }),
  check({
    id: 'all-taken',
    step: 'shared',
    after: ['move-answered'],
    title: 'The shared queue takes every descriptor in the end',
    hint: 'shared-hint-1',
    pass: '{count} descriptors taken, after {retries} times Retry',
    fail: {
      posted:
        '{object}: {field} is {actual}, expected {expected}. A shared queue ignores MOVDIR64B and says nothing; ENQCMD asks',
      refused:
        '{object}: {field} is {actual}, expected {expected}. ENQCMD returned 1 for the others: the queue answered Retry and did not take them',
    },
    test: (facts, { pass, fail }) => {
      const wanted = Number(facts.report('dedicated')?.value ?? 0);
      const { PORTAL_IGNORED, PORTAL_RETRIED, DESCRIPTOR_ENQUEUED } = events.dsa;
      const posted = facts.trace.all(PORTAL_IGNORED, { wq: SHARED });
      const place = { object: 'WQ 1', link: PORTALS };
      if (posted.length > 0) {
        const counts = { expected: 0, actual: posted.length };
        return fail('posted', { ...place, field: 'stores ignored', ...counts, at: posted[0] });
      }
      const taken = facts.trace.count(DESCRIPTOR_ENQUEUED, { wq: SHARED });
      const retried = facts.trace.all(PORTAL_RETRIED, { wq: SHARED });
      if (taken < wanted || wanted === 0) {
        const counts = { expected: wanted, actual: taken, at: retried[0] };
        return fail('refused', { ...place, field: 'descriptors taken', ...counts });
      }
      return pass({ count: taken, retries: retried.length });
    },
  }),
  check({
    id: 'retries-counted',
    step: 'shared',
    after: ['all-taken'],
    title: 'The program knows how often it was sent away',
    hint: 'shared-hint-2',
    pass: '{count} times Retry, the first with {occupancy} descriptors in the queue: its threshold',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. ENQCMD returns the zero flag, 1 means Retry',
    },
    test: (facts, { pass, fail }) => {
      const retried = facts.trace.all(events.dsa.PORTAL_RETRIED, { wq: SHARED });
      const report = facts.report('retries');
      if (Number(report?.value) !== retried.length) {
        return fail('differs', {
          object: 'WQ 1',
          field: 'retries reported',
          expected: retried.length,
          actual: report?.value ?? 'nothing',
          at: report?.record,
          link: PORTALS,
        });
      }
      const occupancy = retried[0]?.values.occupancy ?? 0;
      return pass({ count: retried.length, occupancy }, { at: retried[0] });
    },
  }),
]);
