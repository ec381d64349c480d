/** Attacks of one tenant on another: what they reached, what answered them, and what the defence costs the others. */
import {
  STATUS,
  check,
  defineChecks,
  events,
  toHex,
  type Answers,
  type Mismatch,
  type RunFacts,
  type TraceQuery,
  type Verdict,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const OLD = '83b8f4f2-509f-382f-3c1e-e6bfe0fb6003';
const EINVAL = -22;
const GENERAL_PROTECTION = 0x0d;
/** Code of CMDSTATUS: the PASID of the queue is none of this device. */
const WQ_PASID = 0x26;
const ENQCMD_EXIT = 72;
/** Type of an invalidation descriptor (VT-d 5.10, section 6.5.2.6). */
const PASID_DEVICE_TLB = 8;
const TENANTS = ['red', 'blue', 'dora'] as const;
const COPIES = [0, 1, 2] as const;
/** Copies of each tenant, and one to a page that its guest has to bring in. */
const BENIGN = [
  ...TENANTS.flatMap((tenant) => COPIES.map((at) => `${tenant} ${String(at)}`)),
  'red fault',
];
const VMS = ['red', 'blue'] as const;

const SHOW_ISOLATION: ViewLink = { view: 'isolation', label: 'Show who reached whose memory' };

/** What happens from the report of a scene to the next one, undefined when the script did not come so far. */
function scene(facts: RunFacts, label: string): TraceQuery | undefined {
  const { VALUE_REPORTED } = events.script;
  const begin = facts.trace.first(VALUE_REPORTED, { key: 'scene', value: label });
  if (begin === undefined) return undefined;
  const rest = facts.trace.after(begin);
  const end = rest.first(VALUE_REPORTED, { key: 'scene' });
  return end === undefined ? rest : rest.before(end);
}

/** How a scene ended, and what the machine saw in it. */
function outcome(facts: RunFacts, label: string) {
  const trace = scene(facts, label);
  const told = trace?.first(events.script.VALUE_REPORTED, { key: 'code' });
  const breach = trace?.first(events.isolation.ISOLATION_BREACHED);
  return { trace, told, breach, code: told === undefined ? undefined : Number(told.values.value) };
}

const place = (label: string): Omit<Mismatch, 'field' | 'expected' | 'actual'> => ({
  object: `Attack ${label}`,
  link: SHOW_ISOLATION,
});

function breached(label: string, breach: NonNullable<ReturnType<typeof outcome>['breach']>): Mismatch {
  const { principal, owner } = breach.values;
  return {
    ...place(label),
    field: 'owner of the memory that was reached',
    expected: `${principal} or nobody`,
    actual: owner,
    at: breach,
  };
}

function wrongCode(label: string, field: string, expected: string, facts: RunFacts): Mismatch {
  const { told, code } = outcome(facts, label);
  return {
    ...place(label),
    field,
    expected,
    actual: code === undefined ? 'not tried' : code < 0 ? String(code) : toHex(code),
    at: told,
  };
}

/** An attack that the oracle can see: no breach, and the code that belongs to it. */
function judged(
  facts: RunFacts,
  { pass, fail }: Answers<'breach' | 'code'>,
  attack: { readonly label: string; readonly field: string; readonly code: number; readonly text: string },
): Verdict<'breach' | 'code'> {
  const { label, field, text } = attack;
  const { breach, code, told } = outcome(facts, label);
  if (breach !== undefined) return fail('breach', breached(label, breach));
  if (code !== attack.code) return fail('code', wrongCode(label, field, text, facts));
  return pass({}, { at: told });
}

/** The first wait of the guest after munmap, with what the host had dropped by then. */
function firstWait(trace: TraceQuery | undefined) {
  const { SCRIPT_CALLED } = events.script;
  const unmapped = trace?.first(SCRIPT_CALLED, { call: 'munmap' });
  const rest = unmapped === undefined ? undefined : trace?.after(unmapped);
  const end = rest?.first(SCRIPT_CALLED, { call: 'viommu_complete_wait' });
  const before = end === undefined ? rest : rest?.before(end);
  return {
    end,
    dropped: before?.count(events.iommu.DESCRIPTOR_EXECUTED, { type: PASID_DEVICE_TLB }) ?? 0,
  };
}

export const checks = defineChecks([
  check({
    id: 'benign',
    step: 'portal',
    title: 'Benign work goes on',
    hint: 'portal-hint-1',
    pass: '{copies} copies of {tenants} tenants are done',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. It uses what is its own: a defence that stops it is none',
    },
    test: (facts, { pass, fail }) => {
      for (const label of BENIGN) {
        const { code, told } = outcome(facts, `benign ${label}`);
        if (code === STATUS.success) continue;
        return fail('lost', {
          object: `Copy ${label}`,
          field: 'completion status',
          expected: toHex(STATUS.success),
          actual: code === undefined ? 'not tried' : code < 0 ? String(code) : toHex(code),
          at: told,
        });
      }
      return pass({ copies: BENIGN.length, tenants: TENANTS.length });
    },
  }),
  check({
    id: 'budget',
    step: 'portal',
    after: ['benign'],
    title: 'Benign work costs one exit for each number, and no more',
    hint: 'portal-hint-2',
    pass: '{exits} exits for {copies} copies',
    fail: {
      exits:
        '{object}: {field} is {actual}, expected {expected}. Who may have the portal must not pay for those who may not',
    },
    test: (facts, { pass, fail }) => {
      for (const vm of VMS) {
        const exits = COPIES.flatMap(
          (at) => scene(facts, `benign ${vm} ${String(at)}`)?.all(events.vmx.VM_EXITED) ?? [],
        );
        const other = exits.find(({ values }) => values.reason !== ENQCMD_EXIT);
        if (exits.length === 1 && other === undefined) continue;
        return fail('exits', {
          object: `${String(COPIES.length)} copies of ${vm}`,
          field: 'VM exits',
          expected: 1,
          actual: exits.length,
          at: other ?? exits.at(-1),
        });
      }
      return pass({ exits: VMS.length, copies: VMS.length * COPIES.length });
    },
  }),
  check({
    id: 'contract',
    step: 'portal',
    after: ['budget'],
    title: '8.1e: no portal before translation',
    hint: 'portal-hint-1',
    pass: 'mmap of the portal gave {code}, and the stores of old trap',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. The CPU of old sends numbers as they are: refuse its portal',
      code: '{object}: {field} is {actual}, expected {expected}. Refuse the mapping itself, and the VMM traps the stores',
    },
    test: (facts, { pass, fail }) => {
      const { breach, code } = outcome(facts, '8.1e');
      if (breach !== undefined) return fail('breach', breached('8.1e', breach));
      const asked = facts.trace.first(events.linux.CALLBACK_CALLED, { callback: 'mmap', object: OLD });
      const answered =
        asked === undefined
          ? undefined
          : facts.trace.after(asked).first(events.linux.CALLBACK_RETURNED, { callback: 'mmap' });
      const result = answered?.values.code ?? 0;
      if (code === undefined || result >= 0) {
        const actual = answered === undefined ? 'not asked' : String(result);
        return fail('code', {
          ...place('8.1e'),
          field: 'result of mmap',
          expected: '-EPERM (-1)',
          actual,
          at: answered,
        });
      }
      return pass({ code: result }, { at: answered });
    },
  }),
  check({
    id: 'offset',
    step: 'portal',
    after: ['contract'],
    title: '8.2a: an offset stays in the device',
    hint: 'portal-hint-2',
    pass: 'mmap behind the end of the region gives -EINVAL',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. The portal of the next queue works with the PASID of its owner: look at the offset',
      code: '{object}: {field} is {actual}, expected {expected}. No area of the region is there',
    },
    test: (facts, answers) =>
      judged(facts, answers, {
        label: '8.2a',
        field: 'result of mmap',
        code: EINVAL,
        text: '-EINVAL (-22)',
      }),
  }),
  check({
    id: 'owner',
    step: 'numbers',
    after: ['offset'],
    title: '8.1b: a forged number is nobody’s',
    hint: 'numbers-hint-1',
    pass: 'Exit 73, and #GP for the guest',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. A number in the range is not a number of this VM: only its own table knows',
      code: '{object}: {field} is {actual}, expected {expected}. A number that means nothing is undefined, and KVM makes #GP of it',
    },
    test: (facts, answers) =>
      judged(facts, answers, {
        label: '8.1b',
        field: 'exception',
        code: GENERAL_PROTECTION,
        text: `#GP (${toHex(GENERAL_PROTECTION)})`,
      }),
  }),
  check({
    id: 'freed',
    step: 'numbers',
    after: ['owner'],
    title: '8.7: a freed number is nobody’s either',
    hint: 'numbers-hint-2',
    pass: 'Exit 73, and #GP for the guest',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. The host has given this PASID to somebody else since: look each number up when it is used',
      code: '{object}: {field} is {actual}, expected {expected}. The guest has freed this number, and nothing is bound to it',
    },
    test: (facts, answers) =>
      judged(facts, answers, {
        label: '8.7',
        field: 'exception',
        code: GENERAL_PROTECTION,
        text: `#GP (${toHex(GENERAL_PROTECTION)})`,
      }),
  }),
  check({
    id: 'register',
    step: 'numbers',
    after: ['freed'],
    title: '8.1d: a register cannot name a PASID of others',
    hint: 'numbers-hint-3',
    pass: 'Enable WQ ends with 26h',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. The register holds a number of the tenant: what is it on the host?',
      code: '{object}: {field} is {actual}, expected {expected}. The queue stays off when its number means nothing',
    },
    test: (facts, answers) =>
      judged(facts, answers, {
        label: '8.1d',
        field: 'error of Enable WQ',
        code: WQ_PASID,
        text: toHex(WQ_PASID),
      }),
  }),
  check({
    id: 'flush',
    step: 'memory',
    after: ['register'],
    title: '8.3: a page that is gone is gone for devices, too',
    hint: 'memory-hint-1',
    pass: 'The device finds no page any more, and the next owner keeps its data',
    fail: {
      breach:
        '{object}: {field} is {actual}, expected {expected}. The device went on with a translation from before munmap: drop it before the guest’s wait ends',
      early:
        '{object}: {field} is {actual}, expected {expected}. The guest gives the page away when its wait ends: drop translations before',
      code: '{object}: {field} is {actual}, expected {expected}. Nothing is mapped at this address',
    },
    test: (facts, { pass, fail }) => {
      const { trace, breach, code, told } = outcome(facts, '8.3');
      if (breach !== undefined) return fail('breach', breached('8.3', breach));
      const wait = firstWait(trace);
      if (wait.dropped === 0) {
        return fail('early', {
          ...place('8.3'),
          field: 'invalidations of device TLBs before the guest’s wait ended',
          expected: 'at least 1',
          actual: wait.dropped,
          at: wait.end,
        });
      }
      if (code !== STATUS.pageRequestInvalid) {
        const text = toHex(STATUS.pageRequestInvalid);
        return fail('code', wrongCode('8.3', 'completion status', text, facts));
      }
      return pass({}, { at: told });
    },
  }),
  check({
    id: 'silent',
    step: 'memory',
    after: ['flush'],
    title: '8.9b: a guest that is silent holds no device',
    hint: 'memory-hint-2',
    pass: 'The host has answered for it, and the descriptor ended with {status}',
    fail: {
      held: '{object}: {field} is {actual}, expected {expected}. Its descriptor stays in the device until somebody answers: when the time is over, that is you',
    },
    test: (facts, { pass, fail }) => {
      const { code, told } = outcome(facts, '8.9b');
      const text = toHex(STATUS.pageRequestInvalid);
      if (code === STATUS.pageRequestInvalid) return pass({ status: text }, { at: told });
      return fail('held', wrongCode('8.9b', 'completion status', text, facts));
    },
  }),
  check({
    id: 'reset',
    step: 'remains',
    after: ['silent'],
    title: '8.8: nothing is left of the last tenant',
    hint: 'remains-hint-1',
    pass: 'The next tenant finds 0',
    fail: {
      found:
        '{object}: {field} is {actual}, expected {expected}. The last tenant wrote it: a full reset includes configuration space',
    },
    test: (facts, { pass, fail }) => {
      const { code, told } = outcome(facts, '8.8');
      if (code === 0) return pass({}, { at: told });
      return fail('found', wrongCode('8.8', 'byte 3Ch of configuration space', toHex(0), facts));
    },
  }),
]);
