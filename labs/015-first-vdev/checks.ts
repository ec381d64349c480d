/**
 * From parent to completion record. Each check reads what the step leaves behind: sysfs and driver state, the queue's
 * configuration, the PASID table and the pages it leads to, the descriptor's way through the device.
 */
import {
  NO_PASID,
  PGTT,
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

const ACCELERATOR = 'accelerator';
const FUNCTION = '0000:6a:01.0';
const TYPE = '1dwq';
const TENANT = 'tenant';
/** Where app.ts has the device see its three pages. */
const IOVA = 0x10_0000;
const PAGE = 4096;
const PAGES = 3;
/** The accelerator's portals are in this BAR. */
const PORTALS_BAR = 2;

const SYSFS: ViewLink = { view: 'sysfs', label: 'Show sysfs' };
const PORTALS: ViewLink = { view: 'portals', label: 'Show the portals' };
const QUEUES: ViewLink = { view: 'work-queues', label: 'Show the work queues' };

interface Queue {
  readonly index: number;
  /** As hardware holds it. */
  readonly found: ReturnType<ReturnType<RunFacts['device']>['workQueue']>;
}

/** The queue that the VDEV got: the one with a user. */
function vdevQueue(facts: RunFacts): Queue | undefined {
  const queues = facts.software.under(`idxd/${FUNCTION}/wq`);
  const used = queues.find(({ state }) => Number(state['clients']) > 0);
  if (used === undefined) return undefined;
  const index = Number(used.name);
  return { index, found: facts.device(ACCELERATOR).workQueue(index) };
}

/** The tenant's three pages: anonymous memory, as its own page tables lead to it. */
function tenantPages(facts: RunFacts): readonly { readonly hpa: number; readonly text: string }[] {
  const program = facts.program(TENANT);
  const area = program?.areas.find(({ isDevice }) => !isDevice);
  if (program === undefined || area === undefined) return [];
  return Array.from({ length: PAGES }, (_, i) => area.start + i * PAGE).map((address) => ({
    hpa: program.translate(address) ?? 0,
    text: new TextDecoder().decode(program.read(address, PAGE)).replace(/\0[^]*$/, ''),
  }));
}

/** Which portal page the tenant has in its address space, undefined when it has none. */
function tenantPortal(facts: RunFacts): { readonly wq: number; readonly page: number } | undefined {
  const program = facts.program(TENANT);
  const area = program?.areas.find(({ isDevice }) => isDevice);
  const physical = area === undefined ? undefined : program?.translate(area.start);
  const [pci] = facts.software.under(`pci/${FUNCTION}`);
  const bars = (pci?.state['bars'] ?? []) as readonly PlainObject[];
  const portals = Number(bars.find(({ bar }) => bar === PORTALS_BAR)?.['start']);
  if (physical === undefined || Number.isNaN(portals)) return undefined;
  const offset = physical - portals;
  return {
    wq: Math.floor(offset / 2 ** WQ_PORTALS_SHIFT),
    page: Math.floor(offset / 2 ** PORTAL_SHIFT) % 2 ** (WQ_PORTALS_SHIFT - PORTAL_SHIFT),
  };
}

function typesOf(parent: PlainObject | undefined): readonly string[] {
  const types = parent?.['types'];
  return Array.isArray(types) ? types.map(String) : [];
}

function fieldOf(address: number, descriptor: { readonly record: bigint }): string {
  return Number(descriptor.record) === address ? 'completion_addr' : 'src_addr or dst_addr';
}

export const checks = defineChecks([
  check({
    id: 'parent',
    step: 'parent',
    title: 'The accelerator is a parent that offers the type',
    hint: 'parent-hint-1',
    pass: '{object} offers {type}',
    fail: {
      absent:
        '{object}: {field} is {actual}, expected {expected}. Register the driver, then the parent with its types',
      type: '{object}: {field} is {actual}, expected {expected}. The name of the type is what stands behind the driver and a dash',
    },
    test: ({ software }, { pass, fail }) => {
      const [parent] = software.under(`mdev/parent/${FUNCTION}`);
      const types = typesOf(parent?.state);
      const place = { object: FUNCTION, field: 'mdev_supported_types', link: SYSFS };
      const expected = `idxd-${TYPE}`;
      if (types.length === 0) return fail('absent', { ...place, expected, actual: 'empty' });
      if (!types.includes(expected)) {
        return fail('type', { ...place, expected, actual: types.join(', ') });
      }
      return pass({ object: FUNCTION, type: expected });
    },
  }),
  check({
    id: 'created',
    step: 'create',
    after: ['parent'],
    title: 'A VDEV exists and has a queue of its own',
    hint: 'create-hint-1',
    pass: '{object} is active and has WQ {wq}',
    fail: {
      refused:
        '{object}: {field} is {actual}, expected {expected}. The driver answered the UUID with an error: does init find a free queue and return 0?',
      unclaimed:
        '{object}: {field} is {actual}, expected {expected}. The next VDEV would get the same queue: take a reference with idxd_wq_get()',
      kind: '{object}: {field} is {actual}, expected {expected}. This type promises a queue that nobody else has',
    },
    test: (facts, { pass, fail }) => {
      const { software } = facts;
      const [mdev] = software.under('mdev/').filter(({ name }) => !name.startsWith('parent/'));
      if (mdev?.state['state'] !== 'active') {
        return fail('refused', {
          object: 'Mediated device',
          field: 'state',
          expected: 'active',
          actual: 'not there',
          link: SYSFS,
        });
      }
      const queue = vdevQueue(facts);
      if (queue === undefined) {
        return fail('unclaimed', {
          object: 'Work queues',
          field: 'clients',
          expected: 1,
          actual: 0,
          link: QUEUES,
        });
      }
      const state = software.under(`idxd/${FUNCTION}/wq${String(queue.index)}`)[0]?.state;
      if (state?.['type'] !== 'mdev') {
        return fail('kind', {
          object: `WQ ${String(queue.index)}`,
          field: 'type',
          expected: 'mdev',
          actual: String(state?.['type'] ?? 'none'),
          link: QUEUES,
        });
      }
      return pass({ object: mdev.name, wq: queue.index });
    },
  }),
  check({
    id: 'portal',
    step: 'portal',
    after: ['created'],
    title: 'The tenant has the portal of its own queue',
    hint: 'portal-hint-1',
    pass: 'One page of device memory: the {page} portal of WQ {wq}',
    fail: {
      unmapped:
        '{object}: {field} is {actual}, expected {expected}. mmap must put the physical page of the portal into the mapping, and then return 0',
      foreign:
        '{object}: {field} is {actual}, expected {expected}. A queue has four portal pages; with another queue’s page the tenant works in somebody else’s name',
    },
    test: (facts, { pass, fail }) => {
      const wq = vdevQueue(facts)?.index ?? 0;
      const portal = tenantPortal(facts);
      const place = { object: `Address space of ${TENANT}`, link: PORTALS };
      const at = facts.trace.last(events.linux.CALLBACK_CALLED, { callback: 'mmap' });
      if (portal === undefined) {
        return fail('unmapped', {
          ...place,
          field: 'portal',
          expected: `a page of WQ ${String(wq)}`,
          actual: 'not mapped',
          at,
        });
      }
      if (portal.wq !== wq) {
        return fail('foreign', { ...place, field: 'wq', expected: wq, actual: portal.wq, at });
      }
      return pass({ wq, page: PORTAL_PAGE_NAMES[portal.page] ?? portal.page }, { at });
    },
  }),
  check({
    id: 'pasid',
    step: 'attach',
    after: ['portal'],
    title: 'The queue has a PASID, and the PASID leads to the tenant’s pages',
    hint: 'attach-hint-1',
    pass: 'WQ {wq} sends PASID {pasid}; its entry is {pgtt} of domain {did}',
    fail: {
      'no-pasid':
        '{object}: {field} is {actual}, expected {expected}. Without a PASID its requests look like the function’s own',
      'not-present':
        '{object}: {field} is {actual}, expected {expected}. The queue puts this PASID on its requests, and no domain is attached to it: fault reason 59h',
      elsewhere:
        '{object}: {field} is {actual}, expected {expected}. This PASID belongs to another address space than the tenant’s',
    },
    test: (facts, { pass, fail }) => {
      const queue = vdevQueue(facts);
      const device = facts.device(ACCELERATOR);
      if (queue?.found.values.pasidEnable !== 1) {
        const enabled = facts.trace.last(events.dsa.WQ_ENABLED);
        const mismatch = queue?.found.mismatch('pasidEnable', 1);
        return fail('no-pasid', {
          object: `WQ of ${ACCELERATOR}`,
          field: 'pasidEnable',
          expected: 1,
          actual: 0,
          ...mismatch,
          at: enabled,
          link: QUEUES,
        });
      }
      const pasid = queue.found.values.pasid;
      const entry = facts.tables.pasidEntry(device.rid, pasid);
      if (entry?.values.P !== 1) {
        const fault = facts.trace.first(events.iommu.FAULT_RECORDED, { pasid });
        return fail('not-present', {
          object: `PASID entry ${String(pasid)} of ${device.bdf}`,
          field: 'P',
          expected: 1,
          actual: 0,
          ...entry?.mismatch('P', 1),
          at: fault,
          link: {
            view: 'pasid-table',
            params: { rid: toHex(device.rid, 4), pasid },
            label: 'Show the PASID table',
          },
        });
      }
      const wanted = tenantPages(facts)[0]?.hpa;
      const reached = facts.tables.translate(device.rid, pasid, IOVA)?.hpa;
      if (wanted === undefined || reached !== wanted) {
        return fail('elsewhere', {
          object: entry.object,
          field: `IOVA ${toHex(IOVA)}`,
          expected: wanted === undefined ? 'a pinned page' : toHex(wanted),
          actual: reached === undefined ? 'not mapped' : toHex(reached),
          at: facts.trace.first(events.iommu.FAULT_RECORDED, { pasid }),
          link: {
            view: 'page-walk',
            params: { rid: toHex(device.rid, 4), pasid, address: toHex(IOVA) },
            label: 'Walk the tables',
          },
        });
      }
      return pass(
        {
          wq: queue.index,
          pasid,
          pgtt: entry.text('PGTT', PGTT.secondStage),
          did: entry.values.DID,
        },
        { at: entry.writtenBy('P') },
      );
    },
  }),
  check({
    id: 'completed',
    step: 'submit',
    after: ['pasid'],
    title: 'The descriptor completes, and the greeting arrives',
    hint: 'submit-hint-1',
    pass: '{bytes} bytes copied by PASID {pasid}; completion status {status}',
    fail: {
      address:
        '{object}: {field} is {actual}, expected {expected}. The device sees the pages where IOAS_MAP put them, not where the program has them',
      status: '{object}: {field} is {actual}, expected {expected}. Ask why at its record',
      data: '{object}: {field} is {actual}, expected {expected}. The device did what the descriptor said: is it what you meant?',
    },
    test: (facts, { pass, fail }) => {
      const failed = facts.trace.first(events.dsa.DESCRIPTOR_FAILED);
      const done = facts.trace.first(events.dsa.DESCRIPTOR_COMPLETED);
      const blocked = facts.trace.first(events.iommu.REQUEST_BLOCKED, {
        pasid: (found) => found !== NO_PASID,
      });
      const descriptor = facts.trace.first(events.dsa.DESCRIPTOR_ENQUEUED);
      if (blocked !== undefined && descriptor !== undefined) {
        const address = Number(blocked.values.iova);
        return fail('address', {
          object: 'Descriptor',
          field: fieldOf(address, descriptor.values),
          expected: `${toHex(IOVA)} to ${toHex(IOVA + PAGES * PAGE - 1)}`,
          actual: toHex(address),
          at: blocked,
          link: {
            view: 'page-walk',
            params: { event: blocked.seq },
            label: 'Show the walk',
          },
        });
      }
      if (done?.values.isRecordWritten !== 1) {
        return fail('status', {
          object: 'Completion record',
          field: 'status',
          expected: '0x01',
          actual: failed === undefined ? 'not written' : toHex(failed.values.status, 2),
          at: failed ?? done ?? descriptor,
          link: QUEUES,
        });
      }
      const [source, destination] = tenantPages(facts).map(({ text }) => text);
      if (source === undefined || source === '' || source !== destination) {
        return fail('data', {
          object: 'Second page of the tenant',
          field: 'text',
          expected: source === undefined || source === '' ? 'the greeting' : `"${source}"`,
          actual: `"${destination ?? ''}"`,
          at: done,
          link: { view: 'memory', label: 'Show memory' },
        });
      }
      const { pasid, status } = done.values;
      return pass({ bytes: source.length, pasid, status: toHex(status, 2) }, { at: done });
    },
  }),
]);
