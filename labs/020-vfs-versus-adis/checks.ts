/** What four tenants cost in each way. The truth is what was written into the tables, not what the script measured. */
import {
  check,
  defineChecks,
  events,
  toHex,
  type AnyRecord,
  type Mismatch,
  type Report,
  type RunFacts,
  type TraceQuery,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const TENANTS = 4;
const CONFIG_BYTES = 4096;
const DEFAULT_MSIX_ENTRIES = 2;
const SCRIPT = 'compare.ts';
const PARTITIONED = 'partitioned';
const SHARED = 'shared';

type Cost = Readonly<Record<string, number>>;

const FUNCTIONS: ViewLink = { view: 'topology', label: 'Show the functions of the machine' };

/** Records between the record that begins something and the report that ends it. */
function between(facts: RunFacts, from: AnyRecord | undefined, to: Report | undefined): TraceQuery {
  const rest = from === undefined ? facts.trace : facts.trace.after(from);
  return to === undefined ? rest : rest.before(to.record);
}

/** What the learner's script did until it reported the cost of virtual functions; boot and set-up came before. */
function vfPart(facts: RunFacts): TraceQuery {
  const begin = facts.trace.first(events.script.SCRIPT_CALLED, { path: SCRIPT });
  return between(facts, begin, facts.report('vf functions'));
}

/** What it did from there until it reported the cost of ADIs. */
function adiPart(facts: RunFacts): TraceQuery {
  return between(facts, facts.report('vf functions')?.record, facts.report('adi functions'));
}

/** MSI-X entries of one virtual function, as the machine has them. */
function msixEntries({ machine }: RunFacts): number {
  const options = machine.devices.find(({ name }) => name === PARTITIONED)?.options;
  const sriov = options?.['sriov'] as { readonly msixEntries?: number } | undefined;
  return sriov?.msixEntries ?? DEFAULT_MSIX_ENTRIES;
}

const isPresent = (word: number | bigint): boolean => (BigInt(word) & 1n) === 1n;

interface EntryValues {
  readonly address: number;
  readonly old: number | bigint;
  readonly new: number | bigint;
}

/** Table entries that became present. */
function entriesAdded(records: readonly { readonly values: EntryValues }[]): number {
  const added = records.filter(({ values }) => isPresent(values.new) && !isPresent(values.old));
  return new Set(added.map(({ values }) => values.address)).size;
}

function costIn(facts: RunFacts, part: TraceQuery): Cost {
  const functions = part
    .all(events.sriov.VFS_ENABLED)
    .reduce((sum, { values }) => sum + values.count, 0);
  return {
    functions,
    config_bytes: functions * CONFIG_BYTES,
    msix_entries: functions * msixEntries(facts),
    context_entries: entriesAdded(part.all(events.linux.CONTEXT_ENTRY_WRITTEN, { word: 0 })),
    pasid_entries: entriesAdded(part.all(events.linux.PASID_ENTRY_WRITTEN, { word: 0 })),
  };
}

/** What to say about the first meter whose report is not what the tables say. */
function wrongCost(facts: RunFacts, who: 'vf' | 'adi', truth: Cost): Mismatch | undefined {
  for (const [meter, expected] of Object.entries(truth)) {
    const report = facts.report(`${who} ${meter}`);
    if (Number(report?.value) !== expected) {
      return {
        object: who === 'vf' ? 'Four virtual functions' : 'Four ADIs',
        field: meter.replaceAll('_', ' '),
        expected,
        actual: report?.value ?? 'not reported',
        at: report?.record,
        link: FUNCTIONS,
      };
    }
  }
  return undefined;
}

/** Queues that were turned on with a PASID of their own. */
function adisIn(
  part: TraceQuery,
): readonly (AnyRecord & { readonly values: { readonly pasid: number } })[] {
  return part.all(events.dsa.WQ_ENABLED, { pasid: (pasid) => pasid > 0 });
}

export const checks = defineChecks([
  check({
    id: 'vfs-made',
    step: 'vfs',
    title: 'Four virtual functions exist',
    hint: 'vfs-hint-1',
    pass: '{count} virtual functions, the first is {first}',
    fail: {
      count:
        '{object}: {field} is {actual}, expected {expected}. Turn them on with pci_enable_sriov',
    },
    test: (facts, { pass, fail }) => {
      const enabled = vfPart(facts).first(events.sriov.VFS_ENABLED);
      if (enabled?.values.count === TENANTS) {
        return pass({ count: TENANTS, first: toHex(enabled.values.first, 4) }, { at: enabled });
      }
      return fail('count', {
        object: `Function ${facts.device(PARTITIONED).bdf}`,
        field: 'virtual functions',
        expected: TENANTS,
        actual: enabled?.values.count ?? 0,
        at: enabled ?? facts.report('vf functions')?.record,
        link: FUNCTIONS,
      });
    },
  }),
  check({
    id: 'vf-cost',
    step: 'vfs',
    after: ['vfs-made'],
    title: 'Their cost is measured',
    hint: 'vfs-hint-2',
    pass: '{functions} functions, {context_entries} context entries, {config_bytes} bytes of configuration space',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. The cost is what was there afterwards, less what was there before',
    },
    test: (facts, { pass, fail }) => {
      const truth = costIn(facts, vfPart(facts));
      const wrong = wrongCost(facts, 'vf', truth);
      return wrong === undefined ? pass({ ...truth }) : fail('differs', wrong);
    },
  }),
  check({
    id: 'adis-made',
    step: 'adis',
    after: ['vfs-made'],
    title: 'Four ADIs exist',
    hint: 'adis-hint-1',
    pass: '{count} queues with the PASIDs {pasids}',
    fail: {
      count: '{object}: {field} is {actual}, expected {expected}. Make each with adi_alloc',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('adi functions');
      const made = adisIn(adiPart(facts));
      if (made.length === TENANTS) {
        const pasids = made.map(({ values }) => values.pasid).join(', ');
        return pass({ count: made.length, pasids }, { at: made[0] });
      }
      return fail('count', {
        object: `Function ${facts.device(SHARED).bdf}`,
        field: 'ADIs',
        expected: TENANTS,
        actual: made.length,
        at: made.at(-1) ?? report?.record,
        link: FUNCTIONS,
      });
    },
  }),
  check({
    id: 'adi-cost',
    step: 'adis',
    after: ['adis-made', 'vf-cost'],
    title: 'Their cost is measured',
    hint: 'adis-hint-2',
    pass: 'No function, no context entry, {pasid_entries} PASID entries',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. An ADI adds no function, but an address space; measure before and after it is made',
    },
    test: (facts, { pass, fail }) => {
      const truth = costIn(facts, adiPart(facts));
      const wrong = wrongCost(facts, 'adi', truth);
      return wrong === undefined ? pass({ ...truth }) : fail('differs', wrong);
    },
  }),
  check({
    id: 'adi-identity',
    step: 'identity',
    after: ['adis-made'],
    title: 'Every ADI has the Requester ID of its function',
    hint: 'identity-hint-1',
    pass: 'One Requester ID, {rid}, and the PASIDs {pasids}',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. An ADI is no function of the bus: it has a PASID in place of a Requester ID of its own',
    },
    test: (facts, { pass, fail }) => {
      const { rid } = facts.device(SHARED);
      for (let index = 0; index < TENANTS; index++) {
        const report = facts.report(`rid ${String(index)}`);
        if (Number(report?.value) !== rid) {
          return fail('differs', {
            object: `ADI ${String(index)}`,
            field: 'Requester ID',
            expected: toHex(rid, 4),
            actual: report === undefined ? 'not reported' : toHex(Number(report.value), 4),
            at: report?.record,
            link: {
              view: 'pasid-table',
              params: { rid: toHex(rid, 4) },
              label: 'Show the PASID tables',
            },
          });
        }
      }
      const pasids = adisIn(adiPart(facts))
        .map(({ values }) => values.pasid)
        .join(', ');
      return pass({ rid: toHex(rid, 4), pasids });
    },
  }),
  check({
    id: 'fifth-vf',
    step: 'more',
    after: ['vfs-made'],
    title: 'A fifth virtual function costs everybody theirs',
    hint: 'more-hint-1',
    pass: 'Five virtual functions; {lost} tenants lost theirs on the way',
    fail: {
      count:
        '{object}: {field} is {actual}, expected {expected}. Their number cannot change while one of them exists',
      innocent:
        '{object}: {field} is {actual}, expected {expected}. All of them went before the five came',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('vf disturbed');
      const object = `Function ${facts.device(PARTITIONED).bdf}`;
      const enabled = facts.trace.last(events.sriov.VFS_ENABLED);
      const gone = facts.trace.last(events.sriov.VFS_DISABLED);
      const now =
        gone !== undefined && gone.seq > (enabled?.seq ?? -1) ? 0 : (enabled?.values.count ?? 0);
      if (now !== TENANTS + 1) {
        const counts = { expected: TENANTS + 1, actual: now, at: report?.record, link: FUNCTIONS };
        return fail('count', { object, field: 'virtual functions', ...counts });
      }
      const lost = gone?.values.count ?? 0;
      if (Number(report?.value) !== lost) {
        const counts = { expected: lost, actual: report?.value ?? 'not reported', at: gone };
        return fail('innocent', { object, field: 'tenants disturbed', ...counts, link: FUNCTIONS });
      }
      return pass({ lost }, { at: gone });
    },
  }),
  check({
    id: 'fifth-adi',
    step: 'more',
    after: ['adis-made'],
    title: 'A fifth ADI disturbs nobody',
    hint: 'more-hint-2',
    pass: 'Five ADIs, and no queue was turned off',
    fail: {
      count: '{object}: {field} is {actual}, expected {expected}. adi_alloc makes one more',
      disturbed: '{object}: {field} is {actual}, expected {expected}. ADIs come one at a time',
      claimed:
        '{object}: {field} is {actual}, expected {expected}. The trace shows no queue that was turned off',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('adi disturbed');
      const object = `Function ${facts.device(SHARED).bdf}`;
      const place = { object, at: report?.record, link: FUNCTIONS };
      const off = facts.trace.all(events.dsa.WQ_DISABLED);
      if (off.length > 0) {
        const counts = { expected: 0, actual: off.length, at: off[0] };
        return fail('disturbed', { ...place, field: 'queues turned off', ...counts });
      }
      const made = adisIn(facts.trace).length;
      if (made !== TENANTS + 1) {
        return fail('count', { ...place, field: 'ADIs', expected: TENANTS + 1, actual: made });
      }
      if (report?.value !== '0') {
        const actual = report?.value ?? 'not reported';
        return fail('claimed', { ...place, field: 'tenants disturbed', expected: 0, actual });
      }
      return pass({}, { at: adisIn(facts.trace).at(-1) });
    },
  }),
]);
