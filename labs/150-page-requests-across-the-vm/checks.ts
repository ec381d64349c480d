/** Page requests of guests: into their queues, back by cookie, and an end for those that no guest answers. */
import {
  check,
  defineChecks,
  events,
  type RunFacts,
  type TraceQuery,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

/** Type of a page group response in an invalidation queue (VT-d 5.10, section 7.6.1). */
const PAGE_GROUP_RESPONSE = 9;
const SUCCESS = 0;
const INVALID = 1;
const CODE_NAMES: Readonly<Record<number, string>> = { 0: 'success', 1: 'invalid request', 15: 'response failure' };
/** Limit of faults.ts, and the tick of the kernel's timers. */
const LIMIT_MS = 100;
const NS_PER_MS = 1_000_000;

const SHOW_REQUESTS: ViewLink = { view: 'page-requests', label: 'Show the page requests' };

/** What happens in a part of run.ts; nothing when it did not come so far. */
function part(facts: RunFacts, name: string): TraceQuery | undefined {
  const { VALUE_REPORTED } = events.script;
  const begin = facts.trace.first(VALUE_REPORTED, { key: 'part', value: name });
  if (begin === undefined) return undefined;
  const rest = facts.trace.after(begin);
  const end = rest.first(VALUE_REPORTED, { key: 'part' });
  return end === undefined ? rest : rest.before(end);
}

/** The page request of a copy, where it went and how it was answered in its part of the run. */
function fault(facts: RunFacts, where: string, label: string) {
  const all = part(facts, where);
  const submitted = all?.first(events.script.VALUE_REPORTED, { key: 'copy', value: label });
  const trace = submitted === undefined ? undefined : all?.after(submitted);
  const pasid = trace?.first(events.dsa.DESCRIPTOR_ENQUEUED)?.values.pasid ?? -1;
  const queued = trace?.first(events.iommu.PAGE_REQUEST_QUEUED, { pasid });
  const group = queued?.values.group ?? -1;
  const response = trace?.first(events.iommu.PAGE_RESPONSE_SENT, { pasid, group });
  const code = response?.values.code;
  return {
    queued,
    group,
    injected: trace?.all(events.vmm.VIOMMU_PAGE_REQUEST, { group }) ?? [],
    told: trace?.first(events.vmm.VIOMMU_DESCRIPTOR, { type: PAGE_GROUP_RESPONSE }),
    response,
    code,
    place: {
      object: `Page request group ${String(group)} of copy ${label}`,
      field: 'response',
      actual: code === undefined ? 'none' : (CODE_NAMES[code] ?? String(code)),
      at: response ?? queued,
      link: SHOW_REQUESTS,
    },
  };
}

export const checks = defineChecks([
  check({
    id: 'queued',
    step: 'request',
    title: 'A page request of a guest’s device reaches the guest',
    hint: 'request-hint-1',
    pass: 'Group {group} is in the queue of red',
    fail: {
      missing:
        '{object}: {field} is {actual}, expected {expected}. A guest cannot bring in a page that it never hears of: queue the group',
      twice:
        '{object}: {field} is {actual}, expected {expected}. A guest answers all that it finds, and a second answer names a group that does not wait any more',
    },
    test: (facts, { pass, fail }) => {
      const { group, injected, queued, place } = fault(facts, 'first', 'red 0');
      const [first, second] = injected;
      if (first === undefined) {
        return fail('missing', { ...place, field: 'queue', expected: 'of the host and of red', actual: 'of the host', at: queued });
      }
      if (second === undefined) return pass({ group }, { at: first });
      return fail('twice', { ...place, field: 'entries in the queue of red', expected: 1, actual: injected.length, at: second });
    },
  }),
  check({
    id: 'answered',
    step: 'answer',
    after: ['queued'],
    title: 'The guest’s answer reaches the device',
    hint: 'answer-hint-1',
    pass: 'The page is there, and the device goes on',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. The guest has answered, and the host knows groups by their cookies',
      refused: '{object}: {field} is {actual}, expected {expected}. The guest has brought the page in: pass its code on',
      early:
        '{object}: {field} is {actual}, expected {expected}. Nobody has brought the page in yet, and the device asks again: wait for the answer',
    },
    test: (facts, { pass, fail }) => {
      const { code, response, told, place } = fault(facts, 'first', 'red 0');
      if (response === undefined) return fail('lost', { ...place, expected: 'success' });
      if (code !== SUCCESS) return fail('refused', { ...place, expected: 'success' });
      if (told !== undefined && told.seq < response.seq) return pass({}, { at: response });
      return fail('early', { ...place, field: 'who has answered', expected: 'red', actual: 'nobody' });
    },
  }),
  check({
    id: 'own',
    step: 'own',
    after: ['answered'],
    title: 'An answer means a group of the guest that gave it',
    hint: 'own-hint-1',
    pass: 'Both guests have the same PASID, and each answer went to its own group',
    fail: {
      mixed:
        '{object}: {field} is {actual}, expected {expected}. Its guest has answered: VM, PASID and group index together tell which group is meant',
    },
    test: (facts, { pass, fail }) => {
      for (const label of ['blue 0', 'red 1']) {
        const { code, place } = fault(facts, 'both', label);
        if (code !== SUCCESS) return fail('mixed', { ...place, expected: 'success' });
      }
      return pass({});
    },
  }),
  check({
    id: 'limit',
    step: 'timeout',
    after: ['own'],
    title: 'A guest that does not answer is answered for',
    hint: 'timeout-hint-1',
    pass: 'Invalid Request after {time} ms',
    fail: {
      waits: '{object}: {field} is {actual}, expected {expected}. Its descriptor stays in the device until somebody answers',
      success: '{object}: {field} is {actual}, expected {expected}. The page is not there, and the device asks again',
      early: '{object}: {field} is {actual}, expected {expected}. The guest has this time to bring the page in',
    },
    test: (facts, { pass, fail }) => {
      const { queued, code, response, place } = fault(facts, 'silent', 'red 2');
      if (queued === undefined || response === undefined) return fail('waits', { ...place, expected: 'invalid request' });
      if (code !== INVALID) return fail('success', { ...place, expected: 'invalid request' });
      const time = Math.round((response.timeNs - queued.timeNs) / NS_PER_MS);
      if (time >= LIMIT_MS - 1) return pass({ time }, { at: response });
      return fail('early', { ...place, field: 'time in ms', expected: LIMIT_MS, actual: time });
    },
  }),
  check({
    id: 'only',
    step: 'timeout',
    after: ['limit'],
    title: 'Nobody else pays for that guest',
    hint: 'timeout-hint-2',
    pass: 'Blue has answered group {group} itself, and its copy is done',
    fail: {
      refused:
        '{object}: {field} is {actual}, expected {expected}. Its guest was about to answer: the time of another guest was over, not its own',
    },
    test: (facts, { pass, fail }) => {
      const { group, code, response, place } = fault(facts, 'silent', 'blue 1');
      if (code === SUCCESS) return pass({ group }, { at: response });
      return fail('refused', { ...place, expected: 'success' });
    },
  }),
  check({
    id: 'late',
    step: 'timeout',
    after: ['limit'],
    title: 'An answer that comes too late changes nothing',
    hint: 'timeout-hint-3',
    pass: 'Red answers, and the host does not hear of it',
    fail: {
      again: '{object}: {field} is {actual}, expected {expected}. This group has its answer: take it out of those that wait',
    },
    test: (facts, { pass, fail }) => {
      const { place } = fault(facts, 'silent', 'red 2');
      const calls = part(facts, 'late')?.all(events.script.SCRIPT_CALLED, { call: 'viommu_page_response' }) ?? [];
      if (calls.length === 0) return pass({});
      return fail('again', { ...place, field: 'late answers', expected: 0, actual: calls.length, at: calls[0] });
    },
  }),
  check({
    id: 'full',
    step: 'full',
    after: ['limit'],
    title: 'What a guest has no room for is answered at once',
    hint: 'full-hint-1',
    pass: 'Invalid Request for group {group}, and the guest’s unit reports the overflow',
    fail: {
      waits:
        '{object}: {field} is {actual}, expected {expected}. The guest has not got this request and will not answer it: refuse it at once',
      success: '{object}: {field} is {actual}, expected {expected}. The page is not there, and the device asks again',
    },
    test: (facts, { pass, fail }) => {
      const { group, code, response, place } = fault(facts, 'full', 'red 3');
      if (code === INVALID) return pass({ group }, { at: response });
      return fail(code === undefined ? 'waits' : 'success', { ...place, expected: 'invalid request' });
    },
  }),
  check({
    id: 'local',
    step: 'full',
    after: ['full'],
    title: 'A queue that is full is a matter of its guest',
    hint: 'full-hint-2',
    pass: 'Group {group} of blue went its way',
    fail: {
      refused: '{object}: {field} is {actual}, expected {expected}. Its guest has room: refuse the group that found none',
    },
    test: (facts, { pass, fail }) => {
      const { group, code, response, place } = fault(facts, 'full', 'blue 2');
      if (code === SUCCESS) return pass({ group }, { at: response });
      return fail('refused', { ...place, expected: 'success' });
    },
  }),
  check({
    id: 'left',
    step: 'leaves',
    after: ['full'],
    title: 'A device that leaves takes its page requests along',
    hint: 'leaves-hint-1',
    pass: 'The host answered group {group} itself: {code}',
    fail: {
      stopped:
        '{object}: {field} is {actual}, expected {expected}. The host has answered it when the device left: -EINVAL is no reason to stop',
      kept: '{object}: {field} is {actual}, expected {expected}. One answer asks the host, and -EINVAL is its last word',
    },
    test: (facts, { pass, fail }) => {
      const { group, place } = fault(facts, 'leaves', 'blue 3');
      if (part(facts, 'end') === undefined) {
        return fail('stopped', { ...place, field: 'script', expected: 'finished', actual: 'stopped' });
      }
      const calls = part(facts, 'leaves')?.count(events.script.SCRIPT_CALLED, { call: 'viommu_page_response' }) ?? 0;
      if (calls !== 1) return fail('kept', { ...place, field: 'answers of the VMM', expected: 1, actual: calls });
      return pass({ group, code: place.actual });
    },
  }),
]);
