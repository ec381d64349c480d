/** How pointers of a program reach the device: who is bound, who faults, who asks for pages, and who stops first. */
import {
  STATUS,
  STATUS_NAMES,
  check,
  defineChecks,
  events,
  toHex,
  type AnyRecord,
  type Report,
  type RunFacts,
  type TraceQuery,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const ACCELERATOR = 'dsa0';
const PAGE = 4096;
const COPIES = 6;
const THREADS = 2;
/** Moves of driver.ts in both openings. */
const MOVES = 8;
const INVALID = 1;
/** Bit 7 of a status tells that the faulting access was a write to a page that is there; the code is below it. */
const STATUS_CODE = 0x7f;

const QUEUES: ViewLink = {
  view: 'work-queues',
  params: { unit: ACCELERATOR },
  label: 'Show the work queues',
};
const REQUESTS: ViewLink = { view: 'page-requests', label: 'Show the page requests' };

const statusText = (status: number): string =>
  `${STATUS_NAMES[status & STATUS_CODE] ?? 'no status'} (${toHex(status & STATUS_CODE, 2)})`;

function pasidLink(facts: RunFacts, pasid: number): ViewLink {
  const params = { rid: toHex(facts.device(ACCELERATOR).rid, 4), pasid };
  return { view: 'pasid-table', params, label: 'Show the PASID table' };
}

/** Pages of the long copies: pointers.ts takes one for each entry of the queue. */
const pagesOf = (facts: RunFacts): number =>
  facts.device(ACCELERATOR).workQueue(0).values.size;

/** What happened between two reports; undefined when the program did not come to the second. */
function between(facts: RunFacts, from: string, to: string): TraceQuery | undefined {
  const [first, last] = [facts.report(from), facts.report(to)];
  return first === undefined || last === undefined
    ? undefined
    : facts.trace.after(first.record).before(last.record);
}

interface End {
  readonly record: AnyRecord;
  readonly status: number;
  readonly bytes: number;
}

/** Descriptors that ended, in order. */
function ends(trace: TraceQuery | undefined): readonly End[] {
  if (trace === undefined) return [];
  const { DESCRIPTOR_COMPLETED, DESCRIPTOR_FAILED } = events.dsa;
  return [...trace.all(DESCRIPTOR_COMPLETED), ...trace.all(DESCRIPTOR_FAILED)]
    .toSorted((a, b) => a.seq - b.seq)
    .map((record) => ({
      record,
      status: record.values.status & STATUS_CODE,
      bytes: record.values.bytes,
    }));
}

const requests = (trace: TraceQuery | undefined): number =>
  trace?.count(events.iommu.PAGE_REQUEST_QUEUED) ?? 0;

/** Owner of a PASID at a moment of the run. */
function ownerOf(facts: RunFacts, pasid: number, moment: AnyRecord): string {
  const allocated = facts.trace.before(moment).last(events.linux.PASID_ALLOCATED, { pasid });
  return allocated?.values.owner ?? 'nobody';
}

/** A copy whose destination goes away: what it ended with. */
function underMunmap(
  facts: RunFacts,
  from: string,
  to: string,
): { readonly trace: TraceQuery | undefined; readonly end: End | undefined; readonly report: Report | undefined } {
  const trace = between(facts, from, to);
  return { trace, end: ends(trace).at(-1), report: facts.report(to) };
}

export const checks = defineChecks([
  check({
    id: 'bound',
    step: 'bind',
    title: 'The process that submits is the one that is bound',
    hint: 'bind-hint-1',
    pass: 'PASID {pasid} belongs to {owner}, and its first Move ended with {status}',
    fail: {
      forked:
        '{object}: {field} is {actual}, expected {expected}. fork passes on neither the mapped portal nor the PASID: the process that submits must open the queue',
      foreign:
        '{object}: {field} is {actual}, expected {expected}. The device works in the address space that was bound, and that is another one',
      absent: '{object}: {field} is {actual}, expected {expected}. Submit with the portal of worker',
    },
    test: (facts, { pass, fail }) => {
      const { INSTRUCTION_EXECUTED } = events.linux;
      const crashed = facts.trace.first(INSTRUCTION_EXECUTED, {
        process: 'worker',
        result: 'SIGSEGV',
      });
      if (crashed !== undefined && facts.report('first') === undefined) {
        return fail('forked', {
          object: 'Process worker',
          field: 'signal',
          expected: 'none',
          actual: 'SIGSEGV',
          at: crashed,
          link: QUEUES,
        });
      }
      const done = facts.trace.first(events.dsa.DESCRIPTOR_COMPLETED);
      if (done === undefined) {
        const place = { object: 'First Move', field: 'descriptors finished', link: QUEUES };
        return fail('absent', { ...place, expected: 1, actual: 0 });
      }
      const { pasid, status } = done.values;
      const owner = ownerOf(facts, pasid, done);
      if (owner !== 'worker') {
        return fail('foreign', {
          object: 'First Move',
          field: 'owner of its PASID',
          expected: 'worker',
          actual: owner,
          at: done,
          link: pasidLink(facts, pasid),
        });
      }
      return pass({ pasid, owner, status: statusText(status) }, { at: done });
    },
  }),
  check({
    id: 'gp-once',
    step: 'threads',
    after: ['bound'],
    title: 'Each thread faults once',
    hint: 'threads-hint-1',
    pass: '{copies} copies by {threads} threads with {faults} #GP',
    fail: {
      repeated:
        '{object}: {field} is {actual}, expected {expected}. IA32_PASID of a new thread is empty, so each one pays for its first ENQCMD: let two threads do all copies',
      forked:
        '{object}: {field} is {actual}, expected {expected}. A child of fork has an address space of its own, and that has no PASID; a thread shares the one of worker',
      threads:
        '{object}: {field} is {actual}, expected {expected}. early and one thread more share the copies',
      early:
        '{object}: {field} is {actual}, expected {expected}. It is older than the binding, and still good for ENQCMD',
      few: '{object}: {field} is {actual}, expected {expected}. Submit every copy',
    },
    test: (facts, { pass, fail }) => {
      const { INSTRUCTION_EXECUTED } = events.linux;
      const first = facts.report('first');
      const trace = first === undefined ? facts.trace : facts.trace.after(first.record);
      const end = facts.report('threads');
      const part = end === undefined ? trace : trace.before(end.record);
      const crashed = part.first(INSTRUCTION_EXECUTED, { result: 'SIGSEGV' });
      if (crashed !== undefined) {
        return fail('forked', {
          object: `Process ${crashed.values.process}`,
          field: 'signal',
          expected: 'none',
          actual: 'SIGSEGV',
          at: crashed,
        });
      }
      const faults = part.all(INSTRUCTION_EXECUTED, { result: '#GP' });
      const taken = part.all(INSTRUCTION_EXECUTED, { result: 'ZF=0, accepted' });
      const names = new Set(taken.map(({ values }) => values.process));
      const place = { object: 'Threads of worker', at: faults.at(-1) ?? taken[0] ?? end?.record };
      if (faults.length > THREADS) {
        const counts = { expected: THREADS, actual: faults.length };
        return fail('repeated', { ...place, field: '#GP', ...counts });
      }
      if (names.size !== THREADS) {
        const counts = { expected: THREADS, actual: names.size };
        return fail('threads', { ...place, field: 'threads that submit', ...counts });
      }
      if (!names.has('early')) {
        const counts = { expected: COPIES / THREADS, actual: 0 };
        return fail('early', { ...place, object: 'Thread early', field: 'copies', ...counts });
      }
      if (taken.length !== COPIES) {
        const counts = { expected: COPIES, actual: taken.length };
        return fail('few', { ...place, field: 'copies', ...counts });
      }
      return pass(
        { copies: taken.length, threads: names.size, faults: faults.length },
        { at: faults[0] },
      );
    },
  }),
  check({
    id: 'pages-asked',
    step: 'lazy',
    after: ['bound'],
    title: 'The device asks for each page that is missing',
    hint: 'lazy-hint-1',
    pass: '{count} page requests for {count} pages, every answer is Success',
    fail: {
      stopped:
        '{object}: {field} is {actual}, expected {expected}. A descriptor without Block on Fault stops at the first page that is missing',
      present:
        '{object}: {field} is {actual}, expected {expected}. Pages that are there already need no request: leave them to the device',
    },
    test: (facts, { pass, fail }) => {
      const trace = between(facts, 'threads', 'lazy');
      const end = ends(trace).at(-1);
      const place = { object: 'Lazy copy', at: end?.record, link: REQUESTS };
      if (end?.status !== STATUS.success) {
        const [expected, actual] = [statusText(STATUS.success), statusText(end?.status ?? 0)];
        return fail('stopped', { ...place, field: 'status', expected, actual });
      }
      const [expected, actual] = [pagesOf(facts), requests(trace)];
      if (actual !== expected) {
        return fail('present', { ...place, field: 'page requests', expected, actual });
      }
      return pass({ count: actual }, { at: end.record });
    },
  }),
  check({
    id: 'asked-once',
    step: 'lazy',
    after: ['pages-asked'],
    title: 'The second copy to the same pages asks for none',
    hint: 'lazy-hint-2',
    pass: 'The second copy ended with {status} and without a page request',
    fail: {
      again:
        '{object}: {field} is {actual}, expected {expected}. Copy to the same address again: its pages are there now',
    },
    test: (facts, { pass, fail }) => {
      const trace = between(facts, 'lazy', 'lazy again');
      const end = ends(trace).at(-1);
      const actual = requests(trace);
      if (actual !== 0 || end === undefined) {
        return fail('again', {
          object: 'Second lazy copy',
          field: 'page requests',
          expected: 0,
          actual: end === undefined ? 'not finished' : actual,
          at: end?.record,
          link: REQUESTS,
        });
      }
      return pass({ status: statusText(end.status) }, { at: end.record });
    },
  }),
  check({
    id: 'resumed',
    step: 'touch',
    after: ['pages-asked'],
    title: 'A copy that may not wait goes on behind each fault',
    hint: 'touch-hint-1',
    pass: '{faults} faults, {bytes} bytes before them, and nothing copied twice',
    fail: {
      waited:
        '{object}: {field} is {actual}, expected {expected}. With Block on Fault the program never sees a fault: leave the flag out here',
      partial:
        '{object}: {field} is {actual}, expected {expected}. The record tells the page and how much is done: touch the page, then submit the rest',
      present:
        '{object}: {field} is {actual}, expected {expected}. Touch only what the record names, when it names it',
      repeated:
        '{object}: {field} is {actual}, expected {expected}. What is done stays done: go on behind bytes_completed',
    },
    test: (facts, { pass, fail }) => {
      const trace = between(facts, 'lazy again', 'parts');
      const all = ends(trace);
      const end = all.at(-1);
      const place = { object: 'Copy in parts', at: end?.record, link: QUEUES };
      if (requests(trace) > 0) {
        const counts = { expected: 0, actual: requests(trace) };
        return fail('waited', { ...place, field: 'page requests', ...counts });
      }
      if (end?.status !== STATUS.success) {
        const [expected, actual] = [statusText(STATUS.success), statusText(end?.status ?? 0)];
        return fail('partial', { ...place, field: 'status', expected, actual });
      }
      const faults = all.filter(({ status }) => status === STATUS.pageFault);
      const pages = pagesOf(facts);
      if (faults.length !== pages) {
        const counts = { expected: pages, actual: faults.length };
        return fail('present', { ...place, field: 'page faults', ...counts });
      }
      // The first fault comes before the first byte, each later one after a page.
      const [expected, actual] = [
        (pages - 1) * PAGE,
        faults.reduce((sum, { bytes }) => sum + bytes, 0),
      ];
      if (actual !== expected) {
        return fail('repeated', { ...place, field: 'bytes before the faults', expected, actual });
      }
      return pass({ faults: faults.length, bytes: actual }, { at: faults[0]?.record });
    },
  }),
  check({
    id: 'unmapped-blocking',
    step: 'unmap',
    after: ['pages-asked'],
    title: 'A descriptor that waits for a page is told that there is none',
    hint: 'unmap-hint-1',
    pass: 'Response Invalid, status {status} after {bytes} bytes',
    fail: {
      spared:
        '{object}: {field} is {actual}, expected {expected}. The device was done before the memory went: let munmap overtake it',
      early:
        '{object}: {field} is {actual}, expected {expected}. The memory went before the device began: give it a head start',
      answer:
        '{object}: {field} is {actual}, expected {expected}. The kernel refuses a request for a page of no area',
    },
    test: (facts, { pass, fail }) => {
      const { trace, end, report } = underMunmap(facts, 'parts', 'unmapped blocking');
      const place = { object: 'Copy with Block on Fault', at: end?.record ?? report?.record };
      if (end?.status !== STATUS.pageRequestInvalid) {
        const expected = statusText(STATUS.pageRequestInvalid);
        const actual = statusText(end?.status ?? 0);
        return fail('spared', { ...place, field: 'status', expected, actual, link: QUEUES });
      }
      if (end.bytes === 0) {
        const counts = { expected: 'more than 0', actual: 0, link: QUEUES };
        return fail('early', { ...place, field: 'bytes completed', ...counts });
      }
      const answers = trace?.count(events.iommu.PAGE_RESPONSE_SENT, { code: INVALID }) ?? 0;
      if (answers !== 1) {
        const counts = { expected: 1, actual: answers, link: REQUESTS };
        return fail('answer', { ...place, field: 'responses Invalid', ...counts });
      }
      return pass({ status: statusText(end.status), bytes: end.bytes }, { at: end.record });
    },
  }),
  check({
    id: 'unmapped-plain',
    step: 'unmap',
    after: ['unmapped-blocking'],
    title: 'A descriptor that may not wait stops at the first page that is gone',
    hint: 'unmap-hint-2',
    pass: 'Status {status} after {bytes} bytes, no page request',
    fail: {
      spared:
        '{object}: {field} is {actual}, expected {expected}. The device was done before the memory went: let munmap overtake it',
      early:
        '{object}: {field} is {actual}, expected {expected}. The memory went before the device began: give it a head start',
    },
    test: (facts, { pass, fail }) => {
      const { end, report } = underMunmap(facts, 'unmapped blocking', 'unmapped plain');
      const object = 'Copy without Block on Fault';
      const place = { object, at: end?.record ?? report?.record, link: QUEUES };
      if (end?.status !== STATUS.pageFault) {
        const [expected, actual] = [statusText(STATUS.pageFault), statusText(end?.status ?? 0)];
        return fail('spared', { ...place, field: 'status', expected, actual });
      }
      if (end.bytes === 0) {
        const counts = { expected: 'more than 0', actual: 0 };
        return fail('early', { ...place, field: 'bytes completed', ...counts });
      }
      return pass({ status: statusText(end.status), bytes: end.bytes }, { at: end.record });
    },
  }),
  check({
    id: 'drained',
    step: 'release',
    after: ['bound'],
    title: 'The device is done before the binding goes',
    hint: 'release-hint-1',
    pass: '{count} Moves finished, no fault of PASID {pasid}',
    fail: {
      fault:
        '{object}: {field} is {actual}, expected {expected}. The device still worked for the client when its PASID entry went: drain the PASID first',
      unfinished:
        '{object}: {field} is {actual}, expected {expected}. Wait for the client’s descriptors before the binding goes',
    },
    test: (facts, { pass, fail }) => {
      const opened = facts.report('opened');
      const pasid = Number(opened?.value ?? 0);
      const trace = opened === undefined ? undefined : facts.trace.after(opened.record);
      const place = { object: `PASID ${String(pasid)} of client`, link: pasidLink(facts, pasid) };
      const faults = trace?.all(events.iommu.FAULT_RECORDED, { pasid }) ?? [];
      if (faults.length > 0) {
        const counts = { expected: 0, actual: faults.length, at: faults[0] };
        return fail('fault', { ...place, field: 'faults recorded', ...counts });
      }
      const done = trace?.count(events.dsa.DESCRIPTOR_COMPLETED, { pasid }) ?? 0;
      if (done !== MOVES) {
        const counts = { expected: MOVES, actual: done, at: opened?.record };
        return fail('unfinished', { ...place, field: 'Moves finished', ...counts });
      }
      return pass({ count: done, pasid }, { at: trace?.last(events.dsa.COMMAND_COMPLETED) });
    },
  }),
  check({
    id: 'pasid-stays',
    step: 'release',
    after: ['drained'],
    title: 'The entry goes, the PASID stays with the address space',
    hint: 'release-hint-2',
    pass: 'PASID {pasid} twice; its entry is not present, the number still belongs to client',
    fail: {
      bound:
        '{object}: {field} is {actual}, expected {expected}. Every bind needs its unbind; the entry goes with the last one',
      freed:
        '{object}: {field} is {actual}, expected {expected}. The number goes back to the pool with the address space, and close() ends no process',
    },
    test: (facts, { pass, fail }) => {
      const opened = facts.report('opened');
      const pasid = Number(opened?.value ?? 0);
      const freed = facts.trace.last(events.linux.PASID_FREED, { pasid });
      if (freed !== undefined) {
        return fail('freed', {
          object: `PASID ${String(pasid)}`,
          field: 'owner',
          expected: 'client',
          actual: 'nobody',
          at: freed,
        });
      }
      const { rid } = facts.device(ACCELERATOR);
      const entry = facts.tables.pasidEntry(rid, pasid);
      if (entry === undefined || entry.values.P !== 0) {
        return fail('bound', {
          object: `PASID entry ${String(pasid)} of client`,
          field: 'P',
          expected: 0,
          actual: entry?.values.P ?? 'not read',
          ...entry?.mismatch('P', 0),
          link: pasidLink(facts, pasid),
        });
      }
      return pass({ pasid }, { at: facts.trace.last(events.linux.PASID_ENTRY_WRITTEN, { pasid }) });
    },
  }),
]);
