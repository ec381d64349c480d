/** What the guest, its firmware and a test program of the VMM found in the composed configuration space. */
import {
  check,
  defineChecks,
  events,
  toHex,
  type PlainObject,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa4001';
/** The VDEV as the guest names it. */
const FUNCTION = '0000:00:03.0';
const SHOW_VDEV: ViewLink = { view: 'vdev', label: 'Show the virtual device' };

const COMMAND = 0x04;
const STATUS = 0x06;
const CAP_LIST = 0x10;
const POINTER = 0x34;
const MSIX_ID = 0x11;
const VECTOR_MASK = 0x7ff;
const MASTER_ABORT = 0x2000;
const MASTER = 4;
const MEMORY = 2;
const IDENTITY = { at: 0x00, name: 'vendor and device', value: 0x0b25_8086 };
const CLASS = { at: 0x08, name: 'class and revision', value: 0x0880_0000 };
const BAR_TYPE = 0x0c;
const BARS = [
  { index: 0, at: 0x10, bytes: 0x2000 },
  { index: 2, at: 0x18, bytes: 0x2000 },
];
const VECTORS = 2;
const EFAULT = 14;
const ALL_ONES = 0xffff_ffff;

/** Accesses of the guest to a place of configuration space, in their order. */
function accesses(facts: RunFacts, offset: number) {
  return facts.trace
    .all(events.vmm.ACCESS_TRAPPED, { region: 'config', offset })
    .map((record) => ({ record, isWrite: record.values.isWrite === 1, value: Number(record.values.value) }));
}

type Access = ReturnType<typeof accesses>[number];

/** The first answer to a read behind a write of `written`. */
function answerTo(facts: RunFacts, offset: number, written: (value: number) => boolean): Access | undefined {
  const all = accesses(facts, offset);
  const write = all.findIndex((access) => access.isWrite && written(access.value));
  return write < 0 ? undefined : all.slice(write).find((access) => !access.isWrite);
}

function register(name: string): { object: string; field: string; link: ViewLink } {
  return { object: FUNCTION, field: name, link: SHOW_VDEV };
}

/** Configuration space as it was read last, by whoever looked. */
function image(facts: RunFacts): (at: number, bytes: number) => number {
  const hex = String((facts.software.get(`vdev/${UUID}`) as PlainObject | undefined)?.['config'] ?? '');
  return (at, bytes) => {
    const digits = hex.slice(at * 2, (at + bytes) * 2).match(/../g) ?? [];
    return Number.parseInt(digits.reverse().join('') || '0', 16);
  };
}

/** Status as the guest read it first. */
function firstStatus(facts: RunFacts): { value: number; access: Access } | undefined {
  const access = accesses(facts, STATUS).find(({ isWrite }) => !isWrite);
  return access === undefined ? undefined : { value: access.value, access };
}

export const checks = defineChecks([
  check({
    id: 'capability',
    step: 'capability',
    title: 'The guest finds MSI-X in the capability list',
    hint: 'capability-hint-1',
    pass: 'The guest finds {vectors} vectors',
    fail: {
      'no-list': '{object}: {field} is {actual}, expected {expected}. Without it nobody follows the pointer at 34h',
      vectors: '{object}: {field} is {actual}, expected {expected}. The size field of MSI-X holds one less than there are',
      absent: '{object}: {field} is {actual}, expected {expected}. The guest looks for MSI-X by its identifier',
    },
    test: (facts, { pass, fail }) => {
      const status = firstStatus(facts);
      if (status !== undefined && (status.value & CAP_LIST) === 0) {
        const at = status.access.record;
        return fail('no-list', { ...register('Status bit 4'), expected: 1, actual: 0, at });
      }
      const read = image(facts);
      const capability = read(POINTER, 1);
      const id = read(capability, 1);
      if (capability === 0 || id !== MSIX_ID) {
        const field = `identifier of the capability at ${toHex(capability)}`;
        return fail('absent', { ...register(field), expected: toHex(MSIX_ID), actual: toHex(id) });
      }
      const vectors = (read(capability + 2, 2) & VECTOR_MASK) + 1;
      return vectors === VECTORS
        ? pass({ vectors })
        : fail('vectors', { ...register('MSI-X vectors'), expected: VECTORS, actual: vectors });
    },
  }),
  check({
    id: 'read-only',
    step: 'mask',
    after: ['capability'],
    title: 'A write changes only what may change',
    hint: 'mask-hint-1',
    pass: 'Identity and class stay, the command register takes what the guest writes',
    fail: {
      overwritten: '{object}: {field} is {actual} after the guest wrote {written}, expected {expected}. A read-only register ignores writes',
      ignored: '{object}: {field} is {actual} after the guest turned memory decoding and bus mastering on, expected {expected}',
    },
    test: (facts, { pass, fail }) => {
      for (const { at, name, value } of [IDENTITY, CLASS]) {
        const write = accesses(facts, at).find(({ isWrite }) => isWrite);
        const answer = answerTo(facts, at, () => true);
        if (answer !== undefined && answer.value !== value) {
          return fail('overwritten', {
            ...register(name),
            expected: toHex(value),
            actual: toHex(answer.value),
            at: answer.record,
            values: { written: toHex(write?.value ?? 0) },
          });
        }
      }
      const command = answerTo(facts, COMMAND, (value) => (value & MASTER) !== 0);
      const wanted = MEMORY | MASTER;
      if (command !== undefined && (command.value & wanted) === wanted) return pass({});
      const actual = toHex(command?.value ?? 0);
      return fail('ignored', { ...register('Command'), expected: toHex(wanted), actual, at: command?.record });
    },
  }),
  check({
    id: 'bar-size',
    step: 'bars',
    after: ['read-only'],
    title: 'Both BARs answer the sizing',
    hint: 'bars-hint-1',
    pass: 'BAR0 and BAR2 have {bytes} bytes each, 64 bits wide',
    fail: {
      type: '{object}: {field} is {actual} after a write of ones, expected {expected}. Bits 3:0 say what kind of BAR it is and never change',
      low: '{object}: {field} is {actual} after a write of ones, expected {expected}. Zeros from bit 4 on tell the size',
      high: '{object}: {field} is {actual} after a write of ones, expected {expected}. A 64-bit BAR goes on in the next four bytes',
    },
    test: (facts, { pass, fail }) => {
      const isOnes = (value: number): boolean => value === ALL_ONES;
      for (const { index, at, bytes } of BARS) {
        const low = answerTo(facts, at, isOnes);
        const high = answerTo(facts, at + 4, isOnes);
        const expected = (ALL_ONES - bytes + 1 + BAR_TYPE) >>> 0;
        const mismatch = {
          ...register(`BAR${String(index)}`),
          expected: toHex(expected),
          actual: toHex(low?.value ?? 0),
          at: low?.record,
        };
        if (((low?.value ?? 0) & 0xf) !== BAR_TYPE) return fail('type', mismatch);
        if (low?.value !== expected) return fail('low', mismatch);
        if (high?.value !== ALL_ONES) {
          return fail('high', {
            ...register(`upper half of BAR${String(index)}`),
            expected: toHex(ALL_ONES),
            actual: toHex(high?.value ?? 0),
            at: high?.record,
          });
        }
      }
      return pass({ bytes: BARS[0]?.bytes ?? 0 });
    },
  }),
  check({
    id: 'status-clears',
    step: 'status',
    after: ['read-only'],
    title: 'An error in Status stays until a 1 is written to it',
    hint: 'status-hint-1',
    pass: 'Received Master Abort survived a write of 0 and went with a write of 1',
    fail: {
      lost: '{object}: {field} is {actual} after a write of 0, expected {expected}. The error is gone and nobody saw it',
      kept: '{object}: {field} is {actual} after a 1 was written to bit 13, expected {expected}. The error can never be acknowledged',
      damaged: '{object}: {field} is {actual} after a 1 was written to bit 13, expected {expected}. Only that bit may go',
    },
    test: (facts, { pass, fail }) => {
      const zero = answerTo(facts, STATUS, (value) => value === 0);
      const one = answerTo(facts, STATUS, (value) => value === MASTER_ABORT);
      const status = register('Status');
      const waiting = MASTER_ABORT | CAP_LIST;
      if (zero?.value !== waiting) {
        const actual = toHex(zero?.value ?? 0);
        return fail('lost', { ...status, expected: toHex(waiting), actual, at: zero?.record });
      }
      if (one?.value === CAP_LIST) return pass({}, { at: one.record });
      const actual = toHex(one?.value ?? 0);
      const name = ((one?.value ?? 0) & MASTER_ABORT) === 0 ? 'damaged' : 'kept';
      return fail(name, { ...status, expected: toHex(CAP_LIST), actual, at: one?.record });
    },
  }),
  check({
    id: 'access-size',
    step: 'access',
    after: ['read-only'],
    title: 'A store of 8 bytes is refused as a whole',
    hint: 'access-hint-1',
    pass: 'The test program got -EFAULT, and BAR0 is what it was',
    fail: {
      taken: '{object}: {field} is {actual}, expected {expected}. A store of {bytes} bytes went through, and changed two registers at once',
      changed: '{object}: {field} is {actual} after a refused store, expected {expected}. Refuse before anything is written',
    },
    test: (facts, { pass, fail }) => {
      const access = facts.trace.first(events.linux.VDEV_ACCESSED, {
        vdev: UUID,
        access: 'write',
        bytes: (bytes) => bytes > 4,
      });
      const entered = access === undefined ? undefined : facts.trace.causeOf(access, events.linux.CALL_ENTERED);
      const returned = facts.trace.first(events.linux.CALL_RETURNED, { entered: entered?.seq ?? -1 });
      const result = returned?.values.code ?? 0;
      if (access === undefined || result !== -EFAULT) {
        return fail('taken', {
          ...register('result of the store'),
          expected: -EFAULT,
          actual: result,
          at: access,
          values: { bytes: access?.values.bytes ?? 0 },
        });
      }
      const after = facts.trace.after(access).first(events.linux.VDEV_ACCESSED, { vdev: UUID, access: 'read' });
      const value = Number(after?.values.value ?? 0);
      if (value === BAR_TYPE) return pass({}, { at: access });
      return fail('changed', { ...register('BAR0'), expected: toHex(BAR_TYPE), actual: toHex(value), at: after });
    },
  }),
  check({
    id: 'halt',
    step: 'bus-master',
    after: ['bar-size'],
    title: 'Losing bus mastering halts a device that is enabled, and nothing else does',
    hint: 'bus-master-hint-1',
    pass: 'The device went from enabled to halted when bit 2 of Command was cleared',
    fail: {
      'not-enabled': '{object}: {field} is {actual}, expected {expected}. The guest could not enable the device',
      running: '{object}: {field} is {actual} after bus mastering went away, expected {expected}. It would go on and write to memory',
      early: '{object}: {field} is {actual} after a write of {written} to Command, expected {expected}. Bus mastering is still on',
    },
    test: (facts, { pass, fail }) => {
      const object = `vdev ${UUID}`;
      const enabled = facts.trace.first(events.linux.STATE_CHANGED, { object, to: 'enabled' });
      const state = (facts.software.get(`vdev/${UUID}`) as PlainObject | undefined)?.['state'];
      const place = register('device state');
      if (enabled === undefined) {
        return fail('not-enabled', { ...place, expected: 'enabled', actual: String(state) });
      }
      const halted = facts.trace.after(enabled).first(events.linux.STATE_CHANGED, { object, to: 'halted' });
      if (halted === undefined) {
        return fail('running', { ...place, expected: 'halted', actual: String(state), at: enabled });
      }
      const write = facts.trace.before(halted).last(events.vmm.ACCESS_TRAPPED, {
        region: 'config',
        offset: COMMAND,
        isWrite: true,
      });
      const written = Number(write?.values.value ?? 0);
      if ((written & MASTER) === 0) return pass({}, { at: halted });
      return fail('early', {
        ...place,
        expected: 'enabled',
        actual: 'halted',
        at: halted,
        values: { written: toHex(written) },
      });
    },
  }),
]);
