/** From the eventfd of the VMM to the guest's handler: entries, handles, PASIDs, the way of an interrupt, and the way back. */
import {
  STATUS,
  STATUS_NAMES,
  check,
  defineChecks,
  events,
  toHex,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const FUNCTION = '0000:6a:01.0';
/** The two devices as the guest names them. */
const FIRST = '0000:00:03.0';
const DEVICES = [FIRST, '0000:00:04.0'] as const;
const EFAULT = 14;
const REQUEST_HANDLE = 'Request Interrupt Handle';
/** Word of an IMS entry with mask, PASID enable and PASID. */
const CONTROL = 3;
const PASID_ENABLE = 8;

const SHOW_INTERRUPTS: ViewLink = { view: 'interrupts', label: 'Show the interrupt tables' };
const SHOW_POSTED: ViewLink = { view: 'posted-interrupts', label: 'Show posted interrupts' };

/** Copies of guest.ts in their order. */
const COPIES = [
  { what: 'first device, its own handle', status: STATUS.success },
  { what: 'second device, its own handle', status: STATUS.success },
  { what: 'first device, the handle of the second', status: STATUS.interruptHandle },
] as const;

/** What happens from the store of each descriptor to the look at its record. */
function copies(facts: RunFacts) {
  const calls = facts.trace.all(events.script.SCRIPT_CALLED, { path: 'guest.ts', call: 'movdir64b' });
  return calls.map((call) => {
    const rest = facts.trace.after(call);
    const end = rest.first(events.script.SCRIPT_CALLED, { path: 'guest.ts', call: 'read' });
    return { call, trace: end === undefined ? rest : rest.before(end) };
  });
}

type Copy = ReturnType<typeof copies>[number];

/** How a copy ended, and the record of it. */
function ending({ trace }: Copy) {
  const end = trace.first(events.dsa.DESCRIPTOR_COMPLETED) ?? trace.first(events.dsa.DESCRIPTOR_FAILED);
  return { status: end?.values.status ?? 0, record: end };
}

function statusText(status: number): string {
  return `${toHex(status)} (${STATUS_NAMES[status] ?? 'none'})`;
}

export const checks = defineChecks([
  check({
    id: 'attached',
    step: 'entry',
    title: 'No entry is bound before there is a PASID to bind it to',
    hint: 'entry-hint-1',
    pass: 'A device without an address space gets no interrupts, and no entry is lost',
    fail: {
      installed: '{object}: {field} is {actual}, expected {expected}. Without an address space the device has no PASID',
      leaked: '{object}: {field} is {actual}, expected {expected}. Look for the PASID before you take an entry',
      stopped: '{object}: {field} is {actual}, expected {expected}. The script stopped on the way: see the console',
    },
    test: (facts, { pass, fail }) => {
      const result = facts.report('early result');
      const entries = facts.report('early entries');
      const place = { object: 'SET_IRQS before the first attach', link: SHOW_INTERRUPTS };
      if (result === undefined) {
        return fail('stopped', { ...place, field: 'result', expected: -EFAULT, actual: 'missing' });
      }
      if (Number(result.value) >= 0) {
        return fail('installed', { ...place, field: 'result', expected: -EFAULT, actual: result.value, at: result.record });
      }
      if (entries?.value === '0') return pass({});
      const actual = entries?.value ?? 'unknown';
      return fail('leaked', { ...place, field: 'IMS entries in use', expected: 0, actual, at: entries?.record });
    },
  }),
  check({
    id: 'entries',
    step: 'entry',
    after: ['attached'],
    title: 'Vector 1 of each device has an entry of the message store',
    hint: 'entry-hint-2',
    pass: '{count} entries, one for each device',
    fail: {
      none: '{object}: {field} is {actual}, expected {expected}. Only hardware can raise vector 1, and hardware needs an entry',
    },
    test: (facts, { pass, fail }) => {
      const written = facts.trace.all(events.linux.IMS_ENTRY_WRITTEN, { unit: FUNCTION });
      const count = new Set(written.map(({ values }) => values.index)).size;
      if (count === DEVICES.length) return pass({ count });
      return fail('none', { object: FUNCTION, field: 'IMS entries', expected: DEVICES.length, actual: count, link: SHOW_INTERRUPTS });
    },
  }),
  check({
    id: 'handle',
    step: 'handle',
    after: ['entries'],
    title: 'The guest has a handle for vector 1',
    hint: 'handle-hint-1',
    pass: 'Both devices answered with a handle',
    fail: {
      'vector-0': '{object}: {field} is {actual}, expected {expected}. Vector 0 is raised by software, and no descriptor can name it',
      refused: '{object}: {field} is {actual}, expected {expected}. The VDEV knows of no entry behind this vector',
    },
    test: (facts, { pass, fail }) => {
      const asked = facts.trace.all(events.linux.VDEV_COMMAND, { command: REQUEST_HANDLE });
      const refused = asked.find(({ values }) => values.status !== 0);
      if (asked.length > 0 && refused === undefined) return pass({});
      const place = { object: `${REQUEST_HANDLE} of ${FIRST}`, at: refused };
      if (refused?.values.operand === 0) {
        return fail('vector-0', { ...place, field: 'vector', expected: 1, actual: 0 });
      }
      return fail('refused', { ...place, field: 'error', expected: toHex(0), actual: toHex(refused?.values.status ?? 0) });
    },
  }),
  check({
    id: 'pasid',
    step: 'handle',
    after: ['handle'],
    title: 'An entry serves descriptors of its own device, and of no other',
    hint: 'handle-hint-2',
    pass: 'A handle of the neighbour is refused with {status}',
    fail: {
      own: '{object}: {field} is {actual}, expected {expected}. The entry is not bound to the PASID of these descriptors',
      foreign: '{object}: {field} is {actual}, expected {expected}. One tenant has raised an interrupt of another',
    },
    test: (facts, { pass, fail }) => {
      const all = copies(facts);
      for (const [i, { what, status }] of COPIES.entries()) {
        const found = all[i];
        const { status: actual, record } = found === undefined ? { status: 0, record: undefined } : ending(found);
        if (actual === status) continue;
        return fail(status === STATUS.success ? 'own' : 'foreign', {
          object: what,
          field: 'completion status',
          expected: statusText(status),
          actual: statusText(actual),
          at: record,
          link: SHOW_INTERRUPTS,
        });
      }
      return pass({ status: statusText(STATUS.interruptHandle) });
    },
  }),
  check({
    id: 'delivered',
    step: 'handler',
    after: ['pasid'],
    title: 'The guest’s handlers run',
    hint: 'handler-hint-1',
    pass: 'Vector 0 by software, vector 1 by the device',
    fail: {
      vector: '{object}: {field} is {actual}, expected {expected}. The entry stays masked until somebody requests the interrupt, and its handler has to signal the eventfd',
      misc: '{object}: {field} is {actual}, expected {expected}. The VDCM signals the eventfd of vector 0 when a command is done',
    },
    test: (facts, { pass, fail }) => {
      const all = copies(facts);
      for (const [i, device] of DEVICES.entries()) {
        const name = `${device} vector 1`;
        const handled = all[i]?.trace.count(events.linux.INTERRUPT_HANDLED, { name }) ?? 0;
        if (handled === 1) continue;
        const mismatch = { object: name, field: 'interrupts handled for one copy', expected: 1, actual: handled };
        return fail('vector', { ...mismatch, at: all[i]?.call, link: SHOW_INTERRUPTS });
      }
      const name = `${FIRST} vector 0`;
      const misc = facts.trace.count(events.linux.INTERRUPT_HANDLED, { name });
      if (misc === 1) return pass({});
      return fail('misc', { object: name, field: 'interrupts handled for one command', expected: 1, actual: misc });
    },
  }),
  check({
    id: 'posted',
    step: 'posted',
    after: ['delivered'],
    title: 'The device’s interrupt is posted, and nobody on the host runs',
    hint: 'posted-hint-1',
    pass: 'Submission, copy and interrupt: no exit',
    fail: {
      remapped: '{object}: {field} is {actual}, expected {expected}. The host’s handler ran first. VM exits on the way: {exits}',
    },
    test: (facts, { pass, fail }) => {
      for (const [i, device] of DEVICES.entries()) {
        const found = copies(facts)[i];
        const posted = found?.trace.first(events.interrupt.INTERRUPT_POSTED);
        const exits = found?.trace.count(events.vmx.VM_EXITED) ?? 0;
        if (posted !== undefined && exits === 0) continue;
        return fail('remapped', {
          object: `${device} vector 1`,
          field: 'way of its interrupt',
          expected: 'posted to the vCPU',
          actual: posted === undefined ? 'remapped to a CPU of the host' : 'posted late',
          at: found?.trace.first(events.interrupt.INTERRUPT_REMAPPED) ?? found?.call,
          link: SHOW_POSTED,
          values: { exits },
        });
      }
      return pass({});
    },
  }),
  check({
    id: 'drained',
    step: 'teardown',
    after: ['pasid'],
    title: 'An entry goes when nothing is on its way to it any more',
    hint: 'teardown-hint-1',
    pass: 'The long copy had ended before its entry was touched',
    fail: {
      early: '{object}: {field} is {actual}, expected {expected}. Its interrupt may reach whoever gets the entry next',
    },
    test: (facts, { pass, fail }) => {
      const last = copies(facts).at(-1);
      const touched = last?.trace.first(events.linux.IMS_ENTRY_WRITTEN, { unit: FUNCTION });
      const done = touched === undefined ? last?.trace : last?.trace.before(touched);
      const ended = done?.count(events.dsa.DESCRIPTOR_COMPLETED) ?? 0;
      if (ended === 1) return pass({}, { at: touched });
      const mismatch = { object: 'the long copy', field: 'completions before its entry went', expected: 1, actual: ended };
      return fail('early', { ...mismatch, at: touched, link: SHOW_INTERRUPTS });
    },
  }),
  check({
    id: 'unbound',
    step: 'teardown',
    after: ['drained'],
    title: 'A free entry belongs to no PASID',
    hint: 'teardown-hint-2',
    pass: 'PASID enable of entry {index} is clear, and the entry is free',
    fail: {
      bound: '{object}: {field} is {actual}, expected {expected}. Descriptors of the last owner could still name it',
      leaked: '{object}: {field} is {actual}, expected {expected}. Nobody will ever give it back',
    },
    test: (facts, { pass, fail }) => {
      const last = copies(facts).at(-1);
      const written = last?.trace.last(events.linux.IMS_ENTRY_WRITTEN, { unit: FUNCTION, word: CONTROL });
      const index = written?.values.index ?? 0;
      const object = `IMS entry ${String(index)}`;
      const word = written?.values.new ?? PASID_ENABLE;
      if ((word & PASID_ENABLE) !== 0) {
        return fail('bound', { object, field: 'PASID enable', expected: 0, actual: 1, at: written, link: SHOW_INTERRUPTS });
      }
      const isUsed = facts.software.get(`ims/${FUNCTION}/${String(index)}`) !== undefined;
      if (!isUsed) return pass({ index });
      return fail('leaked', { object, field: 'state', expected: 'free', actual: 'in use', at: written, link: SHOW_INTERRUPTS });
    },
  }),
]);
