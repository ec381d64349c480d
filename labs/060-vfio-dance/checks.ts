/** What the kernel answered at each step of both dances, and which memory the device could reach afterwards. */
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

const MIB = 0x10_0000;
const SECTIONS = [
  { name: 'low', gpa: 0 },
  { name: 'high', gpa: 0x1_0000_0000 },
] as const;
const DEVICE = 'dsa0';
const PROGRAM = 'qemu';
const BAR2 = 0x18;
/** A guest gets the unlimited portal page for interrupts of the message store. */
const PORTAL_PAGE_OFFSET = 0x2000;
const ADDRESS_MASK = 0xf_ffff_ffff_f000n;
const ENOENT = -2;
const EFAULT = -14;
const EINVAL = -22;
const ERRORS: Readonly<Record<string, string>> = {
  '-2': '-ENOENT',
  '-9': '-EBADF',
  '-14': '-EFAULT',
  '-16': '-EBUSY',
  '-17': '-EEXIST',
  '-19': '-ENODEV',
  '-22': '-EINVAL',
  '-25': '-ENOTTY',
};

const FILES: ViewLink = { view: 'vfio', label: 'Show the open files' };
const DOMAINS: ViewLink = { view: 'domains', label: 'Show the domains' };

const codeText = (code: number): string => ERRORS[String(code)] ?? String(code);

interface Refused {
  readonly step: string;
  /** NaN when it was not called. */
  readonly code: number;
  readonly mismatch: Mismatch;
}

/** The first step of a dance that the kernel refused, or that was left out. */
function refusedStep(facts: RunFacts, steps: readonly string[]): Refused | undefined {
  for (const [index, step] of steps.entries()) {
    const report = facts.report(step);
    const code = Number(report?.value ?? Number.NaN);
    if (code >= 0) continue;
    const mismatch = {
      object: step,
      field: 'result',
      expected: '0 or a file descriptor',
      actual: report === undefined ? 'not called' : codeText(code),
      at: report?.record ?? facts.report(steps[index - 1] ?? step)?.record,
      link: FILES,
    };
    return { step, code, mismatch };
  }
  return undefined;
}

function between(facts: RunFacts, from: Report | undefined, to: Report | undefined): TraceQuery {
  const rest = from === undefined ? facts.trace : facts.trace.after(from.record);
  return to === undefined ? rest : rest.before(to.record);
}

interface Mapping {
  readonly iova: number;
  readonly address: number;
  readonly bytes: number;
  readonly record: AnyRecord;
}

/** Ranges that a domain got in a part of the run, in the order of their addresses. */
function mappings(part: TraceQuery): readonly Mapping[] {
  return part
    .all(events.linux.DOMAIN_MAPPED)
    .map((record) => ({
      iova: Number(record.values.iova),
      address: Number(record.values.address),
      bytes: record.values.bytes,
      record,
    }))
    .toSorted((a, b) => a.iova - b.iova);
}

const firstDance = (facts: RunFacts): TraceQuery =>
  between(facts, undefined, facts.report('closed'));
const secondDance = (facts: RunFacts): TraceQuery =>
  between(facts, facts.report('second dance'), undefined);

/** Bytes of a section that are mapped, contiguous or not. */
const mappedBytes = (found: readonly Mapping[], gpa: number): number =>
  found
    .filter(({ iova }) => iova >= gpa && iova < gpa + MIB)
    .reduce((sum, { bytes }) => sum + bytes, 0);

/** `at` is where to look when nothing was mapped at all. */
function wrongSection(found: readonly Mapping[], at: AnyRecord | undefined): Mismatch | undefined {
  const missing = SECTIONS.find(({ gpa }) => mappedBytes(found, gpa) !== MIB);
  if (missing === undefined) return undefined;
  const other = found.find(
    ({ iova }) => !SECTIONS.some(({ gpa }) => iova >= gpa && iova < gpa + MIB),
  );
  return {
    object: `The ${missing.name} section of guest memory`,
    field: 'address for the device',
    expected: toHex(missing.gpa),
    actual: other === undefined ? 'not mapped' : toHex(other.iova),
    at: other?.record ?? found.at(-1)?.record ?? at,
    link: DOMAINS,
  };
}

/** Which sentence explains a refusal on the way through the container. */
function groupProblem({
  step,
  code,
}: Refused): 'uncalled' | 'empty' | 'early' | 'fault' | 'refused' {
  if (Number.isNaN(code)) return 'uncalled';
  if (step.startsWith('MAP_DMA') && code === EFAULT) return 'fault';
  if (code !== EINVAL || step.startsWith('open')) return 'refused';
  return step === 'SET_IOMMU' ? 'empty' : step === 'SET_CONTAINER' ? 'refused' : 'early';
}

/** The same for the device's own node. */
function nodeProblem({ step, code }: Refused): 'uncalled' | 'unbound' | 'unknown' | 'refused' {
  if (Number.isNaN(code)) return 'uncalled';
  if (code === ENOENT) return 'unknown';
  return step === 'ATTACH_IOMMUFD_PT' && code === EINVAL ? 'unbound' : 'refused';
}

/** Answers that the kernel must give to what is wrong on purpose. */
const WRONG: readonly (readonly [key: string, code: number])[] = [
  ['map too early', -22],
  ['device too early', -22],
  ['map interrupts', -22],
  ['map twice', -17],
  ['unmap half', -22],
];

export const checks = defineChecks([
  check({
    id: 'group-opened',
    step: 'group',
    title: 'Container and group are ready, and the device is open',
    hint: 'group-hint-1',
    pass: 'The container went {states}',
    fail: {
      uncalled:
        '{object}: {field} is {actual}, expected {expected}. The dance does not work without it',
      empty:
        '{object}: {field} is {actual}, expected {expected}. A container without a group has nothing that an IOMMU could be for',
      early:
        '{object}: {field} is {actual}, expected {expected}. The container has no IOMMU before SET_IOMMU',
      fault:
        '{object}: {field} is {actual}, expected {expected}. vaddr is an address of this program, and nothing lies there',
      refused: '{object}: {field} is {actual}, expected {expected}. Look at the call in the trace',
    },
    test: (facts, { pass, fail }) => {
      const wrong = refusedStep(facts, [
        'open container',
        'open group',
        'SET_CONTAINER',
        'SET_IOMMU',
        'MAP_DMA low',
        'MAP_DMA high',
        'GET_DEVICE_FD',
      ]);
      if (wrong !== undefined) return fail(groupProblem(wrong), wrong.mismatch);
      const states = firstDance(facts)
        .all(events.linux.STATE_CHANGED, {
          object: (object) => object.startsWith('vfio container'),
        })
        .map(({ values }) => values.to);
      return pass({ states: states.slice(0, 2).join(', ') });
    },
  }),
  check({
    id: 'guest-addresses',
    step: 'memory',
    after: ['group-opened'],
    title: 'The device finds guest memory where the guest sees it',
    hint: 'memory-hint-1',
    pass: '{bytes} bytes at {low} and at {high}',
    fail: {
      elsewhere:
        '{object}: {field} is {actual}, expected {expected}. A guest tells its device guest addresses, and the device sends them unchanged',
      rights:
        '{object}: {field} is {actual}, expected {expected}. A device writes its answers into guest memory',
    },
    test: (facts, { pass, fail }) => {
      const found = mappings(firstDance(facts));
      const wrong = wrongSection(found, facts.report('GET_DEVICE_FD')?.record);
      if (wrong !== undefined) return fail('elsewhere', wrong);
      const poor = firstDance(facts).first(events.linux.DOMAIN_MAPPED, {
        rights: (rights) => !rights.startsWith('RW'),
      });
      if (poor !== undefined) {
        const object = `Mapping at ${toHex(Number(poor.values.iova))}`;
        const rights = { expected: 'RW', actual: poor.values.rights };
        return fail('rights', { object, field: 'rights', ...rights, at: poor, link: DOMAINS });
      }
      const [low, high] = SECTIONS.map(({ gpa }) => toHex(gpa));
      return pass(
        { bytes: toHex(MIB), low: low ?? '', high: high ?? '' },
        { at: found[0]?.record },
      );
    },
  }),
  check({
    id: 'portal-mapped',
    step: 'device',
    after: ['group-opened'],
    title: 'The portal page is mapped into the program',
    hint: 'device-hint-1',
    pass: 'The page at {address} of the device, {regions} regions in all',
    fail: {
      refused:
        '{object}: {field} is {actual}, expected {expected}. Only the areas of the sparse list can be mapped, at the offset of the region plus their own',
      other:
        '{object}: {field} is {actual}, expected {expected}. That is another page of the device',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('map portal');
      const portal = Number(report?.value ?? Number.NaN);
      const link: ViewLink = { view: 'vdev', label: 'Show the virtual device' };
      if (!(portal > 0)) {
        return fail('refused', {
          object: 'mmap of the portal',
          field: 'result',
          expected: 'an address',
          actual: report === undefined ? 'not called' : codeText(portal),
          at: report?.record,
          link,
        });
      }
      const entry = firstDance(facts).first(events.linux.PAGING_ENTRY_WRITTEN, {
        table: PROGRAM,
        level: 1,
        input: (input) => Number(input) === portal,
      });
      const page = entry === undefined ? 0 : Number(BigInt(entry.values.new) & ADDRESS_MASK);
      const device = facts.device(DEVICE);
      const low = device.configRead(BAR2, 4) & ~0xf;
      const expected = device.configRead(BAR2 + 4, 4) * 2 ** 32 + (low >>> 0) + PORTAL_PAGE_OFFSET;
      if (page !== expected) {
        return fail('other', {
          object: 'The portal of the program',
          field: 'physical address',
          expected: toHex(expected),
          actual: toHex(page),
          at: entry ?? report?.record,
          link,
        });
      }
      return pass(
        { address: toHex(page), regions: facts.report('regions')?.value ?? '' },
        { at: entry },
      );
    },
  }),
  check({
    id: 'all-closed',
    step: 'close',
    after: ['group-opened'],
    title: 'Nothing of the first dance is left open',
    hint: 'close-hint-1',
    pass: 'Group closed, container empty, {pasids} PASID given back',
    fail: {
      open: '{object}: {field} is {actual}, expected {expected}. Its file is still open',
      mapping:
        '{object}: {field} is {actual}, expected {expected}. A mapping keeps the device open after its descriptor is closed',
    },
    test: (facts, { pass, fail }) => {
      const part = firstDance(facts);
      const end = facts.report('closed')?.record;
      const portal = Number(facts.report('map portal')?.value ?? 0);
      const isUnmapped =
        part.all(events.linux.PAGING_ENTRY_WRITTEN, {
          table: PROGRAM,
          level: 1,
          input: (input) => Number(input) === portal,
        }).length > 1;
      if (portal > 0 && !isUnmapped) {
        return fail('mapping', {
          object: 'The portal of the program',
          field: 'state',
          expected: 'unmapped',
          actual: 'mapped',
          at: end,
          link: FILES,
        });
      }
      for (const [what, wanted] of [
        ['group', 'CLOSED'],
        ['container', 'EMPTY'],
      ] as const) {
        const last = part.last(events.linux.STATE_CHANGED, {
          object: (object) => object.startsWith(`vfio ${what}`),
        });
        if (last?.values.to === wanted) continue;
        return fail('open', {
          object: last?.values.object ?? `vfio ${what}`,
          field: 'state',
          expected: wanted,
          actual: last?.values.to ?? 'unknown',
          at: last ?? end,
          link: FILES,
        });
      }
      return pass({ pasids: part.count(events.linux.PASID_FREED) });
    },
  }),
  check({
    id: 'errors-provoked',
    step: 'wrong',
    after: ['all-closed'],
    title: 'Five mistakes get the errors they deserve',
    hint: 'wrong-hint-1',
    pass: 'The kernel answered {answers}',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. Make exactly the mistake that the comment names',
      harmless:
        '{object}: {field} is {actual}, expected {expected}. The kernel found nothing wrong with it',
    },
    test: (facts, { pass, fail }) => {
      for (const [key, wanted] of WRONG) {
        const report = facts.report(key);
        const code = Number(report?.value ?? Number.NaN);
        if (code === wanted) continue;
        return fail(code >= 0 ? 'harmless' : 'differs', {
          object: `"${key}"`,
          field: 'result',
          expected: codeText(wanted),
          actual: report === undefined ? 'not reached' : codeText(code),
          at: report?.record,
          link: FILES,
        });
      }
      return pass({ answers: WRONG.map(([, code]) => codeText(code)).join(', ') });
    },
  }),
  check({
    id: 'node-opened',
    step: 'node',
    after: ['all-closed'],
    title: 'The device is bound and attached to an address space',
    hint: 'node-hint-1',
    pass: 'Bound, attached, PASID {pasid}',
    fail: {
      uncalled:
        '{object}: {field} is {actual}, expected {expected}. The dance does not work without it',
      unbound:
        '{object}: {field} is {actual}, expected {expected}. Only a device that is bound to the iommufd can be attached',
      unknown:
        '{object}: {field} is {actual}, expected {expected}. There is no address space with this id',
      refused: '{object}: {field} is {actual}, expected {expected}. Look at the call in the trace',
      early:
        '{object}: {field} is {actual}, expected {expected}. Ask the device before it is bound: access is granted by BIND',
    },
    test: (facts, { pass, fail }) => {
      const wrong = refusedStep(facts, [
        'open iommufd',
        'open device',
        'BIND_IOMMUFD',
        'IOAS_ALLOC',
        'IOAS_MAP low',
        'IOAS_MAP high',
        'ATTACH_IOMMUFD_PT',
      ]);
      if (wrong !== undefined) return fail(nodeProblem(wrong), wrong.mismatch);
      const early = facts.report('info too early');
      if (early?.value !== '-22') {
        return fail('early', {
          object: 'GET_INFO of a device that is not bound',
          field: 'result',
          expected: '-EINVAL',
          actual: early === undefined ? 'not called' : codeText(Number(early.value)),
          at: early?.record,
          link: FILES,
        });
      }
      const attached = secondDance(facts).last(events.linux.DOMAIN_ATTACHED);
      return pass({ pasid: attached?.values.pasid ?? 'none' }, { at: attached });
    },
  }),
  check({
    id: 'same-tables',
    step: 'node',
    after: ['guest-addresses', 'node-opened'],
    title: 'Both ways lead to the same translations',
    hint: 'node-hint-2',
    pass: '{count} ranges, the same in both',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. The device would see another memory than through the container',
      missing:
        '{object}: {field} is {actual}, expected {expected}. Map both sections into the address space that is attached',
    },
    test: (facts, { pass, fail }) => {
      const before = mappings(firstDance(facts));
      const now = mappings(secondDance(facts));
      const wrong = wrongSection(now, facts.report('ATTACH_IOMMUFD_PT')?.record);
      if (wrong !== undefined) return fail('missing', wrong);
      const other = before.find(
        ({ iova, address }) => !now.some((m) => m.iova === iova && m.address === address),
      );
      if (other !== undefined) {
        const found = now.find(({ iova }) => iova === other.iova);
        return fail('differs', {
          object: `Guest address ${toHex(other.iova)}`,
          field: 'host address',
          expected: toHex(other.address),
          actual: found === undefined ? 'not mapped' : toHex(found.address),
          at: (found ?? now[0] ?? other).record,
          link: DOMAINS,
        });
      }
      return pass({ count: now.length }, { at: now[0]?.record });
    },
  }),
]);
