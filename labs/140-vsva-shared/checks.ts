/** Shared queue, several guests: when the portal may be mapped, and what a PASID of a guest means on the host. */
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

const OLD = '83b8f4f2-509f-382f-3c1e-e6bfe0fae003';
const DEVICES = {
  red: '83b8f4f2-509f-382f-3c1e-e6bfe0fae001',
  blue: '83b8f4f2-509f-382f-3c1e-e6bfe0fae002',
} as const;
/** What run.ts reports before each copy. */
const VISITOR = 'old visitor 0';
const COPIES = [
  { vm: 'red', label: 'red apple 0' },
  { vm: 'red', label: 'red apple 1' },
  { vm: 'blue', label: 'blue berry 0' },
] as const;
const APPLE = ['red apple 0', 'red apple 1', 'red apple 2'] as const;
const NOBODY = 'a number of nobody';
const ENQCMD_EXIT = 72;
const ENQCMDS_EXIT = 73;

const TRANSLATION: ViewLink = { view: 'viommu', label: 'Show the virtual IOMMUs' };

/** What happens from a report to the next of its kind, undefined when the script did not come so far. */
function stretch(
  facts: RunFacts,
  key: 'copy' | 'forged',
  isWanted: (value: string) => boolean,
): TraceQuery | undefined {
  const { VALUE_REPORTED } = events.script;
  const begin = facts.trace.first(VALUE_REPORTED, { key, value: isWanted });
  if (begin === undefined) return undefined;
  const rest = facts.trace.after(begin);
  const end = rest.first(VALUE_REPORTED, { key: (other) => ['copy', 'forged', 'end'].includes(other) });
  return end === undefined ? rest : rest.before(end);
}

const copy = (facts: RunFacts, label: string): TraceQuery | undefined =>
  stretch(facts, 'copy', (value) => value === label);

/** Host PASID that the host attached when the guest bound a number for its device, -1 for none. */
function boundPasid(facts: RunFacts, device: string, guestPasid: number): number {
  const bound = facts.trace.first(events.vmm.VIOMMU_PASID_BOUND, { device, pasid: guestPasid, isBound: true });
  if (bound === undefined) return -1;
  const attached = facts.trace
    .after(bound)
    .all(events.linux.DOMAIN_ATTACHED)
    .find(({ source }) => source === 'linux');
  return attached?.values.pasid ?? -1;
}

/** The first ENQCMD of a program, as the VMM saw it. */
function firstMiss(trace: TraceQuery | undefined) {
  const exit = trace?.first(events.vmx.VM_EXITED, { reason: ENQCMD_EXIT });
  return { exit, guestPasid: Number(exit?.values.qualification ?? -1) };
}

/** How the guest's number reached the queue of the host. */
function sent(facts: RunFacts, vm: keyof typeof DEVICES, label: string) {
  const trace = copy(facts, label);
  const { exit, guestPasid } = firstMiss(trace);
  const expected = boundPasid(facts, DEVICES[vm], guestPasid);
  const record = trace?.first(events.dsa.DESCRIPTOR_ENQUEUED);
  return { trace, exit, guestPasid, expected, record, actual: record?.values.pasid };
}

/** What a number that the guest's kernel made up did. */
function forged(facts: RunFacts, isWanted: (value: string) => boolean) {
  const trace = stretch(facts, 'forged', isWanted);
  return {
    exits: trace?.count(events.vmx.VM_EXITED, { reason: ENQCMDS_EXIT }) ?? 0,
    handled: trace?.first(events.vmm.PASID_MISS_HANDLED),
    taken: trace?.first(events.dsa.DESCRIPTOR_ENQUEUED),
  };
}

function statusText(status: number): string {
  return `${toHex(status)} (${STATUS_NAMES[status] ?? 'none'})`;
}

export const checks = defineChecks([
  check({
    id: 'refused',
    step: 'contract',
    title: 'Without translation the portal is trapped',
    hint: 'contract-hint-1',
    pass: 'The VDCM put PASID {pasid} into the descriptor by itself',
    fail: {
      mapped:
        '{object}: {field} is {actual}, expected {expected}. Its CPU sends the PASID as the guest wrote it: refuse the portal while KVM does not translate',
      stopped: '{object}: {field} is {actual}, expected {expected}. See the console for where the script stopped',
    },
    test: (facts, { pass, fail }) => {
      const trace = copy(facts, VISITOR);
      const place = { object: 'Portal of VM old', at: trace?.first(events.dsa.DESCRIPTOR_ENQUEUED) };
      if (trace === undefined) {
        return fail('stopped', { ...place, field: 'copies', expected: 1, actual: 0 });
      }
      const trapped = trace.first(events.vmm.ACCESS_TRAPPED, { device: OLD, region: 'BAR2' });
      if (trapped === undefined) {
        return fail('mapped', { ...place, field: 'access', expected: 'trapped', actual: 'direct' });
      }
      return pass({ pasid: place.at?.values.pasid ?? 0 }, { at: trapped });
    },
  }),
  check({
    id: 'direct',
    step: 'contract',
    after: ['refused'],
    title: 'With translation the guest has the portal to itself',
    hint: 'contract-hint-2',
    pass: 'No store to the portal traps',
    fail: {
      trapped:
        '{object}: {field} is {actual}, expected {expected}. KVM translates for this VM, so the portal is safe: let the guest have it',
    },
    test: (facts, { pass, fail }) => {
      for (const { vm, label } of COPIES) {
        const trapped = copy(facts, label)?.first(events.vmm.ACCESS_TRAPPED, {
          device: DEVICES[vm],
          region: 'BAR2',
        });
        if (trapped !== undefined) {
          const mismatch = { object: `Portal of VM ${vm}`, field: 'access' };
          return fail('trapped', { ...mismatch, expected: 'direct', actual: 'trapped', at: trapped });
        }
      }
      return pass({});
    },
  }),
  check({
    id: 'filled',
    step: 'fill',
    after: ['direct'],
    title: 'A number of the guest becomes the host’s',
    hint: 'fill-hint-1',
    pass: 'Guest PASID {guest} is host PASID {host}, and the copy ended with {status}',
    fail: {
      wrong:
        '{object}: {field} is {actual}, expected {expected}. The device looks this number up in the host’s PASID table, and it is not the program’s there',
      refused:
        '{object}: {field} is {actual}, expected {expected}. The guest’s kernel has bound this number, so the program may use it',
      failed: '{object}: {field} is {actual}, expected {expected}. The copy did not come to its end',
    },
    test: (facts, { pass, fail }) => {
      const { trace, exit, guestPasid, expected, record, actual } = sent(facts, 'red', 'red apple 0');
      const place = { object: `Guest PASID ${String(guestPasid)} of VM red`, link: TRANSLATION };
      if (actual === undefined) {
        return fail('refused', { ...place, field: 'host PASID', expected, actual: 'none', at: exit });
      }
      if (actual !== expected) {
        return fail('wrong', { ...place, field: 'host PASID', expected, actual, at: record });
      }
      const status = trace?.first(events.dsa.DESCRIPTOR_COMPLETED)?.values.status ?? 0;
      if (status !== STATUS.success) {
        const texts = { expected: statusText(STATUS.success), actual: statusText(status) };
        return fail('failed', { ...place, field: 'completion status', ...texts, at: record });
      }
      return pass({ guest: guestPasid, host: expected, status: statusText(status) }, { at: record });
    },
  }),
  check({
    id: 'once',
    step: 'fill',
    after: ['filled'],
    title: 'A number costs one exit, and then none',
    hint: 'fill-hint-2',
    pass: 'One exit 72 for {copies} copies',
    fail: {
      again:
        '{object}: {field} is {actual}, expected {expected}. What the handler returns stays in the table for the next time: leave it there',
    },
    test: (facts, { pass, fail }) => {
      const exits = APPLE.flatMap(
        (label) => copy(facts, label)?.all(events.vmx.VM_EXITED, { reason: ENQCMD_EXIT }) ?? [],
      );
      if (exits.length === 1) return pass({ copies: APPLE.length }, { at: exits[0] });
      return fail('again', {
        object: 'ENQCMD of program apple',
        field: 'exits 72',
        expected: 1,
        actual: exits.length,
        at: exits.at(-1),
        link: TRANSLATION,
      });
    },
  }),
  check({
    id: 'own',
    step: 'own',
    after: ['filled'],
    title: 'The same number in two VMs is two numbers on the host',
    hint: 'own-hint-1',
    pass: 'Guest PASID {guest} is host PASID {red} in red and {blue} in blue',
    fail: {
      foreign:
        '{object}: {field} is {actual}, expected {expected}. A program of one VM has worked in the memory of another: ask the device of the VM that sent the number',
      refused:
        '{object}: {field} is {actual}, expected {expected}. Its own device knows this number: ask the device of the VM that sent it',
    },
    test: (facts, { pass, fail }) => {
      const red = sent(facts, 'red', 'red apple 0');
      const { exit, guestPasid, expected, record, actual } = sent(facts, 'blue', 'blue berry 0');
      const place = { object: `Guest PASID ${String(guestPasid)} of VM blue`, field: 'host PASID', link: TRANSLATION };
      if (actual === undefined) {
        return fail('refused', { ...place, expected, actual: 'none', at: exit });
      }
      if (actual !== expected) return fail('foreign', { ...place, expected, actual, at: record });
      return pass({ guest: guestPasid, red: red.expected, blue: expected }, { at: record });
    },
  }),
  check({
    id: 'forged',
    step: 'forged',
    after: ['filled'],
    title: 'A number that the guest made up is #GP',
    hint: 'forged-hint-1',
    pass: 'Exit 73, #GP, and nothing at the device',
    fail: {
      taken:
        '{object}: {field} is {actual}, expected {expected}. No table of the guest has this number: the answer is undefined, and KVM makes #GP of it',
      absent: '{object}: {field} is {actual}, expected {expected}. KVM does not translate for this VM',
    },
    test: (facts, { pass, fail }) => {
      const { exits, handled, taken } = forged(facts, (value) => value === NOBODY);
      const place = { object: 'ENQCMDS with a number of nobody', link: TRANSLATION };
      if (taken !== undefined) {
        const { pasid } = taken.values;
        return fail('taken', { ...place, field: 'host PASID', expected: 'none', actual: pasid, at: taken });
      }
      if (exits !== 1) return fail('absent', { ...place, field: 'exits 73', expected: 1, actual: exits });
      return pass({}, { at: handled });
    },
  }),
  check({
    id: 'freed',
    step: 'freed',
    after: ['forged'],
    title: 'A number that was freed is nobody’s',
    hint: 'freed-hint-1',
    pass: 'Guest PASID {guest} of red is #GP again, and host PASID {host} is blue’s',
    fail: {
      stale:
        '{object}: {field} is {actual}, expected {expected}. The host has given this number to {owner} since: keep no answer for longer than the table does',
      absent: '{object}: {field} is {actual}, expected {expected}. KVM clears the entry when the guest frees the number, and the next use has to exit',
    },
    test: (facts, { pass, fail }) => {
      const guest = firstMiss(copy(facts, 'red apple 0')).guestPasid;
      const { exits, handled, taken } = forged(facts, (value) => value !== NOBODY);
      const place = { object: `Freed guest PASID ${String(guest)} of VM red`, link: TRANSLATION };
      const heir = sent(facts, 'blue', 'blue cherry 0');
      if (taken !== undefined) {
        const { pasid } = taken.values;
        const owner = pasid === heir.expected ? 'program cherry of blue' : 'nobody';
        return fail('stale', {
          ...place,
          field: 'host PASID',
          expected: 'none',
          actual: pasid,
          at: taken,
          values: { owner },
        });
      }
      if (exits !== 1) return fail('absent', { ...place, field: 'exits 73', expected: 1, actual: exits });
      return pass({ guest, host: heir.expected }, { at: handled });
    },
  }),
]);
