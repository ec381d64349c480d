/** What user space was told, what stands behind the pages that it mapped, and what a submission costs. */
import {
  PORTAL_PAGE_NAMES,
  PORTAL_SHIFT,
  WQ_PORTALS_SHIFT,
  check,
  defineChecks,
  events,
  toHex,
  type PlainObject,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const FUNCTION = '0000:6a:01.0';
const VMM = 'qemu-vm0';
const VM = 'vm0';
const PORTALS_BAR = 2;
const PAGE = 4096;
const EINVAL = 22;
/** The portals whose handles name entries of the interrupt message store. */
const FIRST_IMS_PAGE = 2;

const SHOW_EPT: ViewLink = { view: 'ept', label: 'Show what the guest reaches' };
const SHOW_PORTALS: ViewLink = { view: 'portals', label: 'Show the portals' };
const SHOW_VDEV: ViewLink = { view: 'vdev', label: 'Show the virtual devices' };

const VDEVS = [
  { mode: 'dedicated', uuid: '83b8f4f2-509f-382f-3c1e-e6bfe0fa5001', areas: `0+${PAGE} ${PAGE}+${PAGE}` },
  { mode: 'shared', uuid: '83b8f4f2-509f-382f-3c1e-e6bfe0fa5002', areas: `${PAGE}+${PAGE}` },
] as const;

/** Submissions of guest.ts in their order, with the exits that each may cost. */
const SUBMISSIONS = [
  { what: 'dedicated queue, unlimited portal', exits: 0 },
  { what: 'dedicated queue, limited portal', exits: 0 },
  { what: 'shared queue, limited portal', exits: 0 },
  { what: 'shared queue, unlimited portal', exits: 1 },
] as const;

/** What the test program tries, and must not get. */
const FORBIDDEN = [
  { what: 'of a private page', name: 'private' },
  { what: 'of two pages at once', name: 'size' },
  { what: 'of the registers', name: 'region' },
  { what: 'behind the end', name: 'place' },
  { what: 'of the trapped portal', name: 'trapped' },
] as const;

/** A page of a VDEV that the VM has, with the portal behind it. */
interface MappedPage {
  readonly uuid: string;
  /** In the VDEV's BAR2. */
  readonly offset: number;
  readonly wq: number;
  readonly page: number;
}

function mappedPages(facts: RunFacts): readonly MappedPage[] {
  const vm = facts.software.get(`vm/${VM}`) as PlainObject | undefined;
  const slots = (vm?.['slots'] ?? []) as readonly PlainObject[];
  const [pci] = facts.software.under(`pci/${FUNCTION}`);
  const bars = (pci?.state['bars'] ?? []) as readonly PlainObject[];
  const portals = Number(bars.find(({ bar }) => bar === PORTALS_BAR)?.['start'] ?? 0);
  return slots.flatMap((slot) => {
    const [uuid = '', place = ''] = String(slot['name']).split(' BAR2+');
    const physical = facts.program(VMM)?.translate(Number(slot['hva']));
    if (place === '' || physical === undefined) return [];
    const offset = physical - portals;
    return [
      {
        uuid,
        offset: Number(place),
        wq: Math.floor(offset / 2 ** WQ_PORTALS_SHIFT),
        page: Math.floor(offset / 2 ** PORTAL_SHIFT) % 2 ** (WQ_PORTALS_SHIFT - PORTAL_SHIFT),
      },
    ];
  });
}

/** Number of the queue that a VDEV is made of. */
function queueOf(facts: RunFacts, uuid: string): number {
  const vdev = facts.software.get(`vdev/${uuid}`) as PlainObject | undefined;
  return Number(String(vdev?.['wq'] ?? '').split('.')[1] ?? -1);
}

function submissions(facts: RunFacts) {
  const calls = facts.trace.all(events.script.SCRIPT_CALLED, {
    path: 'guest.ts',
    call: (name) => name === 'movdir64b' || name === 'enqcmds',
  });
  return calls.map((call) => {
    const rest = facts.trace.after(call);
    const end = rest.first(events.script.SCRIPT_CALLED, { path: 'guest.ts', call: 'read' });
    const stretch = end === undefined ? rest : rest.before(end);
    return { call, exits: stretch.all(events.vmx.VM_EXITED) };
  });
}

export const checks = defineChecks([
  check({
    id: 'areas',
    step: 'areas',
    title: 'The sparse list names the pages that a guest may have',
    hint: 'areas-hint-1',
    pass: 'Dedicated queue: both portals. Shared queue: the limited one',
    fail: {
      whole: '{object}: {field} is {actual}, expected {expected}. One area of two pages cannot leave one of them trapped',
      unlimited: '{object}: {field} is {actual}, expected {expected}. The unlimited portal of a shared queue ignores the threshold that protects the others',
      other: '{object}: {field} is {actual}, expected {expected}',
    },
    test: (facts, { pass, fail }) => {
      for (const { mode, areas } of VDEVS) {
        const found = facts.report(`areas ${mode}`);
        if (found?.value === areas) continue;
        const actual = found?.value === '' || found === undefined ? 'empty' : found.value;
        const mismatch = {
          object: `VDEV of the ${mode} queue`,
          field: 'offset+size of its areas',
          expected: areas,
          actual,
          at: found?.record,
          link: SHOW_VDEV,
        };
        if (actual === `0+${String(2 * PAGE)}`) return fail('whole', mismatch);
        return fail(mode === 'shared' && actual.startsWith('0+') ? 'unlimited' : 'other', mismatch);
      }
      return pass({});
    },
  }),
  check({
    id: 'no-exit',
    step: 'portal',
    after: ['areas'],
    title: 'A submission through a mapped page costs no exit',
    hint: 'portal-hint-1',
    pass: '{free} submissions without an exit, and {trapped} through the trapped page',
    fail: {
      trapped: '{object}: {field} is {actual}, expected {expected}. Nothing is mapped there, so each store ends in the VDCM',
      free: '{object}: {field} is {actual}, expected {expected}. This page must stay trapped',
    },
    test: (facts, { pass, fail }) => {
      const found = submissions(facts);
      for (const [i, { what, exits }] of SUBMISSIONS.entries()) {
        const actual = found[i]?.exits.length ?? 0;
        if (actual === exits) continue;
        const at = found[i]?.exits[0] ?? found[i]?.call;
        const mismatch = { object: what, field: 'exits of a submission', expected: exits, actual, at, link: SHOW_EPT };
        return fail(exits === 0 ? 'trapped' : 'free', mismatch);
      }
      const free = SUBMISSIONS.filter(({ exits }) => exits === 0).length;
      return pass({ free, trapped: SUBMISSIONS.length - free });
    },
  }),
  check({
    id: 'portal-page',
    step: 'portal',
    after: ['no-exit'],
    title: 'Behind each page stands the portal of the same kind, of its own queue, for IMS',
    hint: 'portal-hint-2',
    pass: 'Unlimited leads to {unlimited}, limited to {limited}',
    fail: {
      queue: '{object}: {field} is {actual}, expected {expected}. The guest submits to a queue that it was not given',
      msix: '{object}: {field} is {actual}, expected {expected}. There the guest’s interrupt handles would name MSI-X entries of the host',
      kind: '{object}: {field} is {actual}, expected {expected}. Which portal it is depends on the offset',
    },
    test: (facts, { pass, fail }) => {
      for (const { uuid, offset, wq, page } of mappedPages(facts)) {
        const queue = queueOf(facts, uuid);
        const wanted = FIRST_IMS_PAGE + offset / PAGE;
        const object = `page at ${toHex(offset)} of ${uuid}`;
        if (wq !== queue) {
          return fail('queue', { object, field: 'queue behind it', expected: `wq0.${String(queue)}`, actual: `wq0.${String(wq)}`, link: SHOW_PORTALS });
        }
        if (page === wanted) continue;
        return fail(page < FIRST_IMS_PAGE ? 'msix' : 'kind', {
          object,
          field: 'portal behind it',
          expected: PORTAL_PAGE_NAMES[wanted] ?? wanted,
          actual: PORTAL_PAGE_NAMES[page] ?? page,
          link: SHOW_PORTALS,
        });
      }
      return pass({ unlimited: PORTAL_PAGE_NAMES[FIRST_IMS_PAGE] ?? '', limited: PORTAL_PAGE_NAMES[FIRST_IMS_PAGE + 1] ?? '' });
    },
  }),
  check({
    id: 'refused',
    step: 'allowed',
    after: ['no-exit'],
    title: 'Nothing else can be mapped',
    hint: 'allowed-hint-1',
    pass: '{count} requests refused, one page of a portal granted',
    fail: {
      private: '{object}: {field} is {actual}, expected {expected}. A private mapping is a copy, and a portal cannot be copied',
      size: '{object}: {field} is {actual}, expected {expected}. The second page would come along unasked',
      region: '{object}: {field} is {actual}, expected {expected}. Offset 0 of BAR0 is a register, not a portal',
      place: '{object}: {field} is {actual}, expected {expected}. BAR2 has two pages, and this is the third',
      trapped: '{object}: {field} is {actual}, expected {expected}. What the list does not offer is not given either',
    },
    test: (facts, { pass, fail }) => {
      for (const { what, name } of FORBIDDEN) {
        const found = facts.report(`mmap ${what}`);
        if (found?.value === String(-EINVAL)) continue;
        return fail(name, {
          object: `mmap ${what}`,
          field: 'result',
          expected: -EINVAL,
          actual: found?.value ?? 'not tried',
          at: found?.record,
          link: SHOW_VDEV,
        });
      }
      return pass({ count: FORBIDDEN.length });
    },
  }),
]);
