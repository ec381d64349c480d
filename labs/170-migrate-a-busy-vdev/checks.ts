/** A virtual accelerator that moves while its guest works: states, descriptors, a neighbour, PASIDs, interrupts. */
import {
  STATUS,
  STATUS_NAMES,
  check,
  defineChecks,
  events,
  toHex,
  type RunFacts,
  type TraceQuery,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const RED = '83b8f4f2-509f-382f-3c1e-e6bfe0fb7001';
const RED_THERE = '83b8f4f2-509f-382f-3c1e-e6bfe0fb7004';
/** The device that red moves to, as the trace names it. */
const THERE = 'there';
const UNIT_THERE = '0000:6f:01.0';
/** Word of an IMS entry with mask, PASID enable and PASID (DSA 3.0, section 9.2.28). */
const CONTROL = 3;
const PASID_SHIFT = 12;
const EINVAL = -22;
const STOP_COPY = 3;
const QUEUE_SIZE = 16;
/** Numbers of copies in run.ts: on the way there, one in the device and two that wait; on the way back, one and one. */
const IN_FLIGHT = 30;
const WAITING = [31, 32] as const;
const BACK = 41;
const LIMIT_US = 100;
const PAGE = 4096n;
const RECORD = 32n;

const SHOW_QUEUES: ViewLink = { view: 'work-queues', label: 'Show the work queues' };
const SHOW_INTERRUPTS: ViewLink = { view: 'interrupts', label: 'Show the interrupt tables' };

/** Requests of the VMM that lead over several states. */
const WAYS = [
  { asked: 'RUNNING to STOP', way: 'RUNNING_P2P, STOP' },
  { asked: 'STOP to RUNNING', way: 'RUNNING_P2P, RUNNING' },
  { asked: 'PRE_COPY to STOP_COPY', way: 'PRE_COPY_P2P, STOP_COPY' },
  { asked: 'STOP_COPY to RUNNING', way: 'STOP, RUNNING_P2P, RUNNING' },
  { asked: 'RUNNING to STOP_COPY', way: 'RUNNING_P2P, STOP, STOP_COPY' },
] as const;
const FORBIDDEN = ['STOP_COPY to PRE_COPY', 'STOP_COPY to a state that does not exist'] as const;

/** What happens from a report to the next of its kind, undefined when the script did not come so far. */
function stretch(trace: TraceQuery | undefined, key: string, value: string): TraceQuery | undefined {
  const { VALUE_REPORTED } = events.script;
  const begin = trace?.first(VALUE_REPORTED, { key, value });
  if (trace === undefined || begin === undefined) return undefined;
  const rest = trace.after(begin);
  const end = rest.first(VALUE_REPORTED, { key });
  return end === undefined ? rest : rest.before(end);
}

const scene = (facts: RunFacts, label: string): TraceQuery | undefined => stretch(facts.trace, 'scene', label);

/** One request of the VMM for a state. */
function asked(facts: RunFacts, what: string) {
  const trace = stretch(scene(facts, 'states'), 'asked', what);
  const told = (key: string): string | undefined =>
    trace?.first(events.script.VALUE_REPORTED, { key })?.values.value;
  const changes = trace?.all(events.linux.STATE_CHANGED, { object: `migration of vdev ${RED}` }) ?? [];
  return {
    way: changes.map(({ values }) => values.to).join(', '),
    answer: told('answer'),
    state: told('state'),
    at: changes[0] ?? trace?.first(events.script.VALUE_REPORTED, { key: 'answer' }),
  };
}

/** Each copy has a record of its own, whose place in the page is its number. */
const isRecordOf =
  (at: number) =>
  (record: bigint): boolean =>
    record % PAGE === BigInt(at) * RECORD;

/** How a copy ended, all its submissions together. */
function endings(trace: TraceQuery | undefined, at: number) {
  const record = isRecordOf(at);
  const done = trace?.all(events.dsa.DESCRIPTOR_COMPLETED, { record, status: STATUS.success }) ?? [];
  return { done, failed: trace?.last(events.dsa.DESCRIPTOR_FAILED, { record }) };
}

/** How the descriptor of a copy that waited came to the queue on the other side. */
function arrival(facts: RunFacts, at: number) {
  const enqueued = scene(facts, 'there')
    ?.all(events.dsa.DESCRIPTOR_ENQUEUED, { record: isRecordOf(at) })
    .find(({ source }) => source === THERE);
  return { enqueued, pasid: enqueued?.values.pasid };
}

/** Host PASID that was attached for the program's number, for this device. */
function boundPasid(facts: RunFacts, device: string): number {
  const pasid = Number(facts.report('guest PASID')?.value ?? -1);
  const bound = facts.trace.last(events.vmm.VIOMMU_PASID_BOUND, { device, pasid, isBound: true });
  if (bound === undefined) return -1;
  const attached = facts.trace
    .after(bound)
    .all(events.linux.DOMAIN_ATTACHED)
    .find(({ source }) => source === 'linux');
  return attached?.values.pasid ?? -1;
}

function statusText(status: number): string {
  return status === 0 ? 'none' : `${toHex(status)} (${STATUS_NAMES[status] ?? 'unknown'})`;
}

const SUCCESS = statusText(STATUS.success);

export const checks = defineChecks([
  check({
    id: 'states',
    step: 'states',
    title: 'The device goes from state to state, one step at a time',
    hint: 'states-hint-1',
    pass: 'From STOP_COPY to RUNNING over {states} states',
    fail: {
      jumps:
        '{object}: {field} is {actual}, expected {expected}. Each step has work of its own: ask for the next state until it is the one that is wanted',
    },
    test: (facts, { pass, fail }) => {
      for (const { asked: what, way } of WAYS) {
        const { way: actual, at } = asked(facts, what);
        if (actual !== way) {
          const mismatch = { object: `Red, ${what}`, field: 'way', expected: way, at };
          return fail('jumps', { ...mismatch, actual: actual === '' ? 'none' : actual });
        }
      }
      return pass({ states: 3 }, { at: asked(facts, 'STOP_COPY to RUNNING').at });
    },
  }),
  check({
    id: 'forbidden',
    step: 'states',
    after: ['states'],
    title: 'Where no way leads, nothing changes',
    hint: 'states-hint-2',
    pass: '-EINVAL, and the device stays in STOP_COPY',
    fail: {
      allowed:
        '{object}: {field} is {actual}, expected {expected}. There is no way: the negative number of vfio_mig_get_next_state() is the answer',
      moved:
        '{object}: {field} is {actual}, expected {expected}. What is refused leaves the device where it was',
    },
    test: (facts, { pass, fail }) => {
      for (const what of FORBIDDEN) {
        const { answer = 'missing', state = 'missing', at } = asked(facts, what);
        const place = { object: `Red, ${what}`, at };
        if (answer !== String(EINVAL)) {
          return fail('allowed', { ...place, field: 'answer', expected: EINVAL, actual: answer });
        }
        if (state !== String(STOP_COPY)) {
          return fail('moved', { ...place, field: 'state', expected: STOP_COPY, actual: state });
        }
      }
      return pass({}, { at: asked(facts, FORBIDDEN[0]).at });
    },
  }),
  check({
    id: 'trapped',
    step: 'slow',
    after: ['forbidden'],
    title: 'From PRE_COPY on, what the guest stores waits with the VDCM',
    hint: 'slow-hint-1',
    pass: '{trapped} stores trapped, and none reached the device',
    fail: {
      direct:
        '{object}: {field} is {actual}, expected {expected}. The guest still has its portal, and nobody sees what it stores there',
      sent: '{object}: {field} is {actual}, expected {expected}. The store trapped, and the descriptor went on to the device: let it wait',
      stopped: '{object}: {field} is {actual}, expected {expected}. See the console for where the script stopped',
    },
    test: (facts, { pass, fail }) => {
      const all = scene(facts, 'given up');
      const end = all?.first(events.script.VALUE_REPORTED, { key: 'given up' });
      const place = { object: 'Stores of apple in PRE_COPY' };
      if (all === undefined || end === undefined) {
        return fail('stopped', { ...place, field: 'stores', expected: 20, actual: 'none' });
      }
      const trace = all.before(end);
      const trapped = trace.all(events.vmm.ACCESS_TRAPPED, { device: RED, region: 'BAR2' });
      const enqueued = trace.all(events.dsa.DESCRIPTOR_ENQUEUED);
      if (enqueued.length > 0) {
        const mismatch = { ...place, field: 'descriptors in the device', expected: 0, at: enqueued[0], link: SHOW_QUEUES };
        return fail(trapped.length === 0 ? 'direct' : 'sent', { ...mismatch, actual: enqueued.length });
      }
      return pass({ trapped: trapped.length }, { at: trapped[0] });
    },
  }),
  check({
    id: 'bounded',
    step: 'slow',
    after: ['trapped'],
    title: 'No more wait than the queue has room for',
    hint: 'slow-hint-2',
    pass: '{taken} of 20 stores were taken, the others got Retry',
    fail: {
      unlimited:
        '{object}: {field} is {actual}, expected {expected}. A guest decides how much it stores, and this is memory of the host: answer -EAGAIN',
      few: '{object}: {field} is {actual}, expected {expected}. A queue of this size takes as many',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('taken');
      const taken = Number(report?.value ?? -1);
      if (taken === QUEUE_SIZE) return pass({ taken }, { at: report?.record });
      return fail(taken > QUEUE_SIZE ? 'unlimited' : 'few', {
        object: '20 stores of apple in PRE_COPY',
        field: 'taken',
        expected: QUEUE_SIZE,
        actual: taken,
        at: report?.record,
      });
    },
  }),
  check({
    id: 'neighbour',
    step: 'drain',
    after: ['bounded'],
    title: 'Blue does not wait for red’s migration',
    hint: 'drain-hint-1',
    pass: 'The command of blue’s guest took {time} us',
    fail: {
      waited:
        '{object}: {field} is {actual}, expected {expected}. The device carries out one command at a time, and yours waits for the work of everybody: drain the PASIDs of red alone',
      stopped: '{object}: {field} is {actual}, expected {expected}. See the console for where the script stopped',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('neighbour');
      const place = { object: 'Drain PASID of blue', field: 'time in us', link: SHOW_QUEUES };
      const expected = `at most ${String(LIMIT_US)}`;
      if (report === undefined) return fail('stopped', { ...place, expected, actual: 'none' });
      const time = Number(report.value);
      if (time <= LIMIT_US) return pass({ time }, { at: report.record });
      return fail('waited', { ...place, expected, actual: time, at: report.record });
    },
  }),
  check({
    id: 'drained',
    step: 'drain',
    after: ['bounded'],
    title: 'What red has in the device ends before red stops',
    hint: 'drain-hint-2',
    pass: 'Copy {copy} ended before the CPUs of red stopped',
    fail: {
      late: '{object}: {field} is {actual}, expected {expected}. It ends after memory was copied, and on the other side nobody hears of it: drain every PASID that the guest has',
      aborted: '{object}: {field} is {actual}, expected {expected}. What has not begun is dropped, and the guest has not asked for that',
    },
    test: (facts, { pass, fail }) => {
      const trace = scene(facts, 'there');
      const stopped = trace?.first(events.script.VALUE_REPORTED, { key: 'stopped' });
      const before = stopped === undefined ? undefined : trace?.before(stopped);
      const { done } = endings(before, IN_FLIGHT);
      const abort = before?.first(events.linux.IDXD_COMMAND, { command: (name) => name.startsWith('Abort') });
      const place = {
        object: `Copy ${String(IN_FLIGHT)}`,
        field: 'status when red stopped',
        expected: SUCCESS,
        link: SHOW_QUEUES,
      };
      if (abort !== undefined) {
        const { command: actual } = abort.values;
        return fail('aborted', { ...place, field: 'command', expected: 'Drain PASID', actual, at: abort });
      }
      if (done.length === 0) return fail('late', { ...place, actual: 'none', at: stopped });
      return pass({ copy: IN_FLIGHT }, { at: done[0] });
    },
  }),
  check({
    id: 'saved',
    step: 'save',
    after: ['drained'],
    title: 'What waits is in the saved state',
    hint: 'save-hint-1',
    pass: '{count} descriptors came to the queue on the other side',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. The guest believes that the device has it: what waits goes into the saved state, and to the queue when the device runs',
      refused: '{object}: {field} is {actual}, expected {expected}. There is room: what was handed in does not wait any more',
    },
    test: (facts, { pass, fail }) => {
      for (const at of WAITING) {
        const answer = facts.report(`answer ${String(at)}`);
        if (answer?.value === '1') {
          const mismatch = { object: `Store of copy ${String(at)}`, field: 'answer', at: answer.record };
          return fail('refused', { ...mismatch, expected: 'taken', actual: 'Retry' });
        }
        if (arrival(facts, at).enqueued === undefined) {
          return fail('lost', {
            object: `Copy ${String(at)}, stored while red was on its way`,
            field: 'queue on the other side',
            expected: 'WQ 0',
            actual: 'none',
            at: scene(facts, 'there')?.first(events.script.VALUE_REPORTED, { key: 'goes on' }),
            link: SHOW_QUEUES,
          });
        }
      }
      return pass({ count: WAITING.length }, { at: arrival(facts, WAITING[0]).enqueued });
    },
  }),
  check({
    id: 'translated',
    step: 'restore',
    after: ['saved'],
    title: 'A number of the guest becomes one of the host that it is on now',
    hint: 'restore-hint-1',
    pass: 'Guest PASID {guest} was {before}, and is {host} here',
    fail: {
      guest:
        '{object}: {field} is {actual}, expected {expected}. That is the guest’s own number. On the host it belongs to somebody else: translate it',
      source:
        '{object}: {field} is {actual}, expected {expected}. That is the number of the device that red left: keep the guest’s numbers, and translate when you submit',
      other: '{object}: {field} is {actual}, expected {expected}. The guest has bound this number: ask for its translation',
    },
    test: (facts, { pass, fail }) => {
      const guest = Number(facts.report('guest PASID')?.value ?? -1);
      const [before, host] = [RED, RED_THERE].map((device) => boundPasid(facts, device));
      for (const at of WAITING) {
        const { enqueued, pasid = -1 } = arrival(facts, at);
        if (pasid === host) continue;
        const why = pasid === guest ? 'guest' : pasid === before ? 'source' : 'other';
        return fail(why, {
          object: `Copy ${String(at)}`,
          field: 'host PASID',
          expected: host ?? -1,
          actual: pasid,
          at: enqueued,
          link: { view: 'pasid-table', label: 'Show the PASID table' },
        });
      }
      return pass({ guest, before: before ?? -1, host: host ?? -1 }, { at: arrival(facts, WAITING[0]).enqueued });
    },
  }),
  check({
    id: 'entries',
    step: 'restore',
    after: ['translated'],
    title: 'The entry knows its PASID before a descriptor names it',
    hint: 'restore-hint-2',
    pass: 'IMS entry {index} had PASID {pasid} when the first descriptor came',
    fail: {
      late: '{object}: {field} is {actual}, expected {expected}. A descriptor of apple names it, and ends with 19h when the PASIDs differ: restore the entries first',
    },
    test: (facts, { pass, fail }) => {
      const { enqueued, pasid = -1 } = arrival(facts, WAITING[0]);
      const before = enqueued === undefined ? facts.trace : facts.trace.before(enqueued);
      const written = before.last(events.linux.IMS_ENTRY_WRITTEN, { unit: UNIT_THERE, word: CONTROL });
      const index = written?.values.index ?? 0;
      const actual = (written?.values.new ?? 0) >>> PASID_SHIFT;
      if (actual === pasid) return pass({ index, pasid }, { at: written });
      return fail('late', {
        object: `IMS entry ${String(index)} of ${UNIT_THERE}`,
        field: `PASID when copy ${String(WAITING[0])} came`,
        expected: pasid,
        actual,
        at: enqueued,
        link: SHOW_INTERRUPTS,
      });
    },
  }),
  check({
    id: 'once',
    step: 'restore',
    after: ['entries'],
    title: 'Every copy is made, and none is made twice',
    hint: 'restore-hint-3',
    pass: '{copies} copies, each made once',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. The guest was told that the device took it',
      doubled: '{object}: {field} is {actual}, expected {expected}. Memory may have changed between the two: what was sent does not wait any more',
    },
    test: (facts, { pass, fail }) => {
      const stores = Array.from({ length: QUEUE_SIZE }, (_, i) => i + 1);
      const copies = [...stores, IN_FLIGHT, ...WAITING];
      for (const at of copies) {
        const { done } = endings(facts.trace, at);
        if (done.length === 1) continue;
        const mismatch = { object: `Copy ${String(at)}`, field: 'times made', expected: 1, link: SHOW_QUEUES };
        return fail(done.length === 0 ? 'lost' : 'doubled', { ...mismatch, actual: done.length, at: done.at(-1) });
      }
      return pass({ copies: copies.length });
    },
  }),
  check({
    id: 'direct',
    step: 'restore',
    after: ['once'],
    title: 'A device that runs has its portal again',
    hint: 'restore-hint-3',
    pass: 'No exit for a store',
    fail: {
      trapped: '{object}: {field} is {actual}, expected {expected}. It runs again, and may have its portal',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('exits');
      const actual = report?.value ?? 'missing';
      if (actual === '0') return pass({}, { at: report?.record });
      const mismatch = { object: 'Store of apple after the migration was given up', field: 'kinds of VM exits' };
      return fail('trapped', { ...mismatch, expected: 0, actual, at: report?.record });
    },
  }),
  check({
    id: 'recovered',
    step: 'handles',
    after: ['direct'],
    title: 'A guest hears that its handles are void, and recovers',
    hint: 'handles-hint-1',
    pass: 'Copy {copy} ended with {status}, and was made with a new handle',
    fail: {
      needless:
        '{object}: {field} is {actual}, expected {expected}. Vector 1 has the handle that the guest knows: compare before you revoke',
      untold:
        '{object}: {field} is {actual}, expected {expected}. Its handle is that of another entry now, and its descriptors end with 19h: revoke the handles',
      lost: '{object}: {field} is {actual}, expected {expected}. The guest has asked for a new handle and handed it in again',
    },
    test: (facts, { pass, fail }) => {
      const before = facts.report('revoked before');
      const told = facts.report('revoked');
      const place = { object: 'Guest of red', field: 'handles revoked', link: SHOW_INTERRUPTS };
      if (before?.value === 'true') {
        return fail('needless', { ...place, field: 'handles revoked there', expected: 'no', actual: 'yes', at: before.record });
      }
      const { failed } = endings(scene(facts, 'back'), BACK);
      if (told?.value !== 'true') {
        return fail('untold', { ...place, field: 'handles revoked back here', expected: 'yes', actual: 'no', at: failed });
      }
      const { done } = endings(scene(facts, 'again'), BACK);
      if (done.length !== 1 || failed === undefined) {
        return fail('lost', { ...place, object: `Copy ${String(BACK)}`, field: 'times made', expected: 1, actual: done.length });
      }
      return pass({ copy: BACK, status: statusText(failed.values.status) }, { at: done[0] });
    },
  }),
]);
