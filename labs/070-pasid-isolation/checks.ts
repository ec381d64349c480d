/** Who may reach what by which PASID, when it was allowed, and when it ended. The trace has every attachment in order. */
import {
  STATUS,
  STATUS_NAMES,
  check,
  defineChecks,
  events,
  toHex,
  type AnyRecord,
  type RecordOf,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const DEVICE = 'dsa0';
const ADIS = [0, 1] as const;
const LETTERS = ['A', 'B'] as const;
const IOVA = 0x10_0000;
const NOT_PRESENT = 0x59;
const ERRORS: Readonly<Record<string, string>> = {
  '-1': '-EPERM',
  '-16': '-EBUSY',
  '-19': '-ENODEV',
  '-22': '-EINVAL',
  '-28': '-ENOSPC',
  '-98': '-EADDRINUSE',
};

type Attached = RecordOf<NonNullable<(typeof events.linux.DOMAIN_ATTACHED)['fieldTypes']>>;

const errorText = (code: number | string): string => ERRORS[String(code)] ?? String(code);

function tablesLink({ rid }: { readonly rid: number }, pasid?: number): ViewLink {
  const params = { rid: toHex(rid, 4), ...(pasid === undefined ? {} : { pasid }) };
  return { view: 'pasid-table', params, label: 'Show the PASID tables' };
}

const FAULTS: ViewLink = { view: 'fault-records', label: 'Show the fault records' };

/** PASID that the script reported for an ADI; NaN when it did not get that far. */
const pasidOf = (facts: RunFacts, index: number): number =>
  Number(facts.report(`pasid ${String(index)}`)?.value ?? Number.NaN);

function attachmentOf(facts: RunFacts, index: number): Attached | undefined {
  const { rid } = facts.device(DEVICE);
  return facts.trace.first(events.linux.DOMAIN_ATTACHED, { rid, pasid: pasidOf(facts, index) });
}

/** Domain of requests without a PASID: the kernel's own buffers are in it. */
function functionDomain(facts: RunFacts): string {
  const { rid } = facts.device(DEVICE);
  return (
    facts.trace.first(events.linux.DOMAIN_ATTACHED, { rid, pasid: 0 })?.values.domain ?? 'none'
  );
}

/** The byte that the tenant's page begins with, as it was when the script reported the status. */
function firstByte(
  facts: RunFacts,
  index: number,
): { readonly record: AnyRecord | undefined; readonly byte: number } {
  const page = Number(facts.report(`page ${String(index)}`)?.value);
  const end = facts.report(`status ${String(index)}`);
  const part = end === undefined ? facts.trace : facts.trace.before(end.record);
  const record = part.last(events.platform.MEMORY_WRITTEN_BY_DEVICE, {
    address: (address) => Number(address) === page,
  });
  return { record, byte: record === undefined ? 0 : Number(BigInt(record.values.value) & 0xffn) };
}

export const checks = defineChecks([
  check({
    id: 'attached',
    step: 'attach',
    title: 'Each ADI has a PASID with a domain behind it',
    hint: 'attach-hint-1',
    pass: 'PASIDs {pasids}',
    fail: {
      none: '{object}: {field} is {actual}, expected {expected}. PASID 0 is what requests without a PASID use',
      error:
        '{object}: {field} is {actual}, expected {expected}. That is an error number, not a PASID',
      empty:
        '{object}: {field} is {actual}, expected {expected}. A number alone leads nowhere: its entry in the PASID table is not present',
    },
    test: (facts, { pass, fail }) => {
      const device = facts.device(DEVICE);
      for (const index of ADIS) {
        const pasid = pasidOf(facts, index);
        const at = facts.report(`pasid ${String(index)}`)?.record;
        const place = { object: `ADI ${String(index)}`, at, link: tablesLink(device) };
        const expected = 'one of its own';
        if (!(pasid > 0)) {
          const isError = pasid < 0;
          const actual = isError ? errorText(pasid) : Number.isNaN(pasid) ? 'not reported' : pasid;
          return fail(isError ? 'error' : 'none', { ...place, field: 'PASID', expected, actual });
        }
        if (attachmentOf(facts, index) === undefined) {
          const object = `PASID ${String(pasid)} of ${device.bdf}`;
          return fail('empty', {
            ...place,
            object,
            field: 'domain',
            expected: 'attached',
            actual: 'none',
          });
        }
      }
      const first = attachmentOf(facts, 0);
      return pass({ pasids: ADIS.map((index) => pasidOf(facts, index)).join(', ') }, { at: first });
    },
  }),
  check({
    id: 'own-domain',
    step: 'attach',
    after: ['attached'],
    title: 'Each ADI has a domain of its own',
    hint: 'attach-hint-2',
    pass: 'Domains {domains}, and the function itself uses {own}',
    fail: {
      functions:
        '{object}: {field} is {actual}, expected {expected}. The function uses it for requests without a PASID, so the tenant could reach every buffer of the kernel driver',
      shared: '{object}: {field} is {actual}, expected {expected}. The other tenant has the same',
    },
    test: (facts, { pass, fail }) => {
      const own = functionDomain(facts);
      const domains = ADIS.map((index) => attachmentOf(facts, index));
      for (const [index, attached] of domains.entries()) {
        const domain = attached?.values.domain ?? 'none';
        const place = {
          object: `ADI ${String(index)}`,
          field: 'domain',
          expected: 'a domain of its own',
          actual: domain,
          at: attached,
          link: tablesLink(facts.device(DEVICE), attached?.values.pasid),
        };
        if (domain === own) return fail('functions', place);
        if (index > 0 && domain === domains[0]?.values.domain) return fail('shared', place);
      }
      const names = domains.map((attached) => attached?.values.domain ?? '').join(', ');
      return pass({ domains: names, own });
    },
  }),
  check({
    id: 'queue-programmed',
    step: 'program',
    after: ['attached'],
    title: 'Each queue puts its PASID on its requests, and not too early',
    hint: 'program-hint-1',
    pass: 'WQ 0 uses PASID {first}, WQ 1 uses PASID {second}',
    fail: {
      off: '{object}: {field} is {actual}, expected {expected}. Turn it on with idxd_wq_enable',
      other:
        '{object}: {field} is {actual}, expected {expected}. Its requests would be those of somebody else',
      early:
        '{object}: {field} is {actual}, expected {expected}. From the moment it is on, a client can send requests with a PASID whose entry is not there yet',
    },
    test: (facts, { pass, fail }) => {
      for (const index of ADIS) {
        const pasid = pasidOf(facts, index);
        const enabled = facts.trace.first(events.dsa.WQ_ENABLED, { wq: index });
        const attached = attachmentOf(facts, index);
        const place = {
          object: `WQ ${String(index)}`,
          at: enabled ?? attached,
          link: {
            view: 'work-queues',
            params: { unit: DEVICE },
            label: 'Show the work queues',
          } as const,
        };
        if (enabled === undefined) {
          return fail('off', { ...place, field: 'state', expected: 'enabled', actual: 'disabled' });
        }
        if (enabled.values.pasid !== pasid) {
          const actual = enabled.values.pasid < 0 ? 'none' : enabled.values.pasid;
          return fail('other', { ...place, field: 'PASID', expected: pasid, actual });
        }
        if (attached !== undefined && enabled.seq < attached.seq) {
          const [expected, actual] = ['after the attachment', 'before the attachment'];
          return fail('early', { ...place, field: 'turned on', expected, actual });
        }
      }
      return pass({ first: pasidOf(facts, 0), second: pasidOf(facts, 1) });
    },
  }),
  check({
    id: 'same-address',
    step: 'same',
    after: ['own-domain', 'queue-programmed'],
    title: 'The same address leads to different pages',
    hint: 'same-hint-1',
    pass: '{iova} is {first} for one tenant and {second} for the other',
    fail: {
      status:
        '{object}: {field} is {actual}, expected {expected}. The trace shows which request was refused, and why',
      one: '{object}: {field} is {actual}, expected {expected}. Two address spaces that lead to one page isolate nothing',
      page: '{object}: {field} is {actual}, expected {expected}. The Fill of this tenant did not end up in its page',
    },
    test: (facts, { pass, fail }) => {
      for (const index of ADIS) {
        const report = facts.report(`status ${String(index)}`);
        const status = Number(report?.value ?? 0);
        const object = `Fill of ADI ${String(index)}`;
        const link = tablesLink(facts.device(DEVICE), pasidOf(facts, index));
        if (status !== STATUS.success) {
          const name = STATUS_NAMES[status] ?? 'no record';
          const actual = `${name} (${toHex(status, 2)})`;
          return fail('status', {
            object,
            field: 'status',
            expected: 'success (0x01)',
            actual,
            at: report?.record,
            link,
          });
        }
        const letter = LETTERS[index];
        const { record, byte } = firstByte(facts, index);
        if (byte !== letter.charCodeAt(0)) {
          const found = {
            expected: letter,
            actual: byte === 0 ? 'nothing' : String.fromCharCode(byte),
          };
          return fail('page', {
            object: `Page of ADI ${String(index)}`,
            field: 'first letter',
            ...found,
            at: record ?? report?.record,
            link,
          });
        }
      }
      const pages = ADIS.map((index) => facts.report(`page ${String(index)}`));
      if (pages[0]?.value === pages[1]?.value) {
        return fail('one', {
          object: 'Page of ADI 1',
          field: 'address',
          expected: 'another than that of ADI 0',
          actual: toHex(Number(pages[1]?.value)),
          at: pages[1]?.record,
          link: tablesLink(facts.device(DEVICE), pasidOf(facts, 1)),
        });
      }
      const [first, second] = ADIS.map((index) =>
        toHex(Number(facts.report(`page ${String(index)}`)?.value)),
      );
      return pass({ iova: toHex(IOVA), first: first ?? '', second: second ?? '' });
    },
  }),
  check({
    id: 'cut-off',
    step: 'detach',
    after: ['same-address'],
    title: 'After the detach every request is refused',
    hint: 'detach-hint-1',
    pass: 'Refused with {reason}, PASID table entry not present',
    fail: {
      reaches:
        '{object}: {field} is {actual}, expected {expected}. Its requests still reach memory: the entry of the PASID table is present',
      reason:
        '{object}: {field} is {actual}, expected {expected}. Only the entry of this PASID should be missing',
    },
    test: (facts, { pass, fail }) => {
      const pasid = pasidOf(facts, 0);
      const from = facts.report('detached');
      const to = facts.report('after detach');
      const part =
        from === undefined || to === undefined
          ? undefined
          : facts.trace.after(from.record).before(to.record);
      const fault = part?.first(events.iommu.FAULT_RECORDED, { pasid });
      const object = `PASID ${String(pasid)} of ${facts.device(DEVICE).bdf}`;
      if (fault === undefined) {
        const at = part?.first(events.dsa.DESCRIPTOR_COMPLETED) ?? from?.record;
        return fail('reaches', {
          object,
          field: 'fault reason',
          expected: toHex(NOT_PRESENT),
          actual: 'none',
          at,
          link: tablesLink(facts.device(DEVICE), pasid),
        });
      }
      if (fault.values.reason !== NOT_PRESENT) {
        const reasons = { expected: toHex(NOT_PRESENT), actual: toHex(fault.values.reason) };
        return fail('reason', {
          object,
          field: 'fault reason',
          ...reasons,
          at: fault,
          link: FAULTS,
        });
      }
      return pass({ reason: toHex(NOT_PRESENT) }, { at: fault });
    },
  }),
  check({
    id: 'good-order',
    step: 'free',
    after: ['queue-programmed'],
    title: 'The queue is off before its address space goes',
    hint: 'free-hint-1',
    pass: 'Queue off, PASID blocked, domain freed',
    fail: {
      queue:
        '{object}: {field} is {actual}, expected {expected}. While it is on, its client can send requests; they would end in faults',
      domain:
        '{object}: {field} is {actual}, expected {expected}. Nobody uses it any more, free it',
    },
    test: (facts, { pass, fail }) => {
      const { rid } = facts.device(DEVICE);
      const pasid = pasidOf(facts, 1);
      const off = facts.trace.first(events.dsa.WQ_DISABLED, { wq: 1 });
      const detached = facts.trace.first(events.linux.DOMAIN_DETACHED, { rid, pasid });
      const freed = facts.report('freed');
      const isOff = off !== undefined && off.seq < (detached?.seq ?? freed?.record.seq ?? 0);
      if (!isOff) {
        const actual = off === undefined ? 'never' : 'after the detach';
        const at = detached ?? freed?.record;
        return fail('queue', {
          object: 'WQ 1',
          field: 'turned off',
          expected: 'before the detach',
          actual,
          at,
          link: { view: 'work-queues', params: { unit: DEVICE }, label: 'Show the work queues' },
        });
      }
      const domain = attachmentOf(facts, 1)?.values.domain ?? '';
      const state = facts.software.get(`iommu/domain/${domain.replace('domain', '')}`);
      if (state !== undefined) {
        return fail('domain', {
          object: domain,
          field: 'state',
          expected: 'freed',
          actual: detached === undefined ? 'attached' : 'allocated',
          at: detached ?? freed?.record,
          link: { view: 'domains', label: 'Show the domains' },
        });
      }
      return pass({}, { at: detached });
    },
  }),
  check({
    id: 'nothing-leaked',
    step: 'free',
    after: ['attached'],
    title: 'Both numbers are free again',
    hint: 'free-hint-2',
    pass: 'PASIDs {pasids} may be used by others',
    fail: {
      leaked:
        '{object}: {field} is {actual}, expected {expected}. A number that never comes back is lost for every device of the machine',
      early:
        '{object}: {field} is {actual}, expected {expected}. Its entry was still present: the next owner would have got the memory of this one',
    },
    test: (facts, { pass, fail }) => {
      const { rid } = facts.device(DEVICE);
      for (const index of ADIS) {
        const pasid = pasidOf(facts, index);
        const freed = facts.trace.first(events.linux.PASID_FREED, { pasid });
        const detached = facts.trace.first(events.linux.DOMAIN_DETACHED, { rid, pasid });
        const place = {
          object: `PASID ${String(pasid)}`,
          at: freed ?? detached ?? facts.report('freed')?.record,
          link: tablesLink(facts.device(DEVICE), pasid),
        };
        if (freed === undefined) {
          return fail('leaked', {
            ...place,
            field: 'state',
            expected: 'free',
            actual: 'allocated',
          });
        }
        if (detached === undefined || freed.seq < detached.seq) {
          const [expected, actual] = ['after the detach', 'before the detach'];
          return fail('early', { ...place, field: 'freed', expected, actual });
        }
      }
      return pass({ pasids: ADIS.map((index) => pasidOf(facts, index)).join(', ') });
    },
  }),
  check({
    id: 'taken-refused',
    step: 'limits',
    after: ['attached'],
    title: 'The address space of the function itself is refused',
    hint: 'limits-hint-1',
    pass: 'Refused with {error}',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. Try it, and return what the kernel answers',
      untried:
        '{object}: {field} is {actual}, expected {expected}. The script reports an error that nobody gave it',
    },
    test: (facts, { pass, fail }) => {
      const isLater = facts.profile === 'iommufd';
      const call = isLater ? 'iommu_attach_device_pasid' : 'iommu_aux_attach_device';
      const wanted = isLater ? -22 : -1;
      const report = facts.report('refusal');
      const made = facts.trace.last(events.linux.CALL_RETURNED, { call });
      if (report?.value === String(wanted) && made?.values.code === wanted) {
        return pass({ error: errorText(wanted) }, { at: made });
      }
      const object = isLater
        ? 'Attaching to PASID 0'
        : 'Attaching the domain of the function as an auxiliary one';
      const link = tablesLink(facts.device(DEVICE));
      if (report?.value === String(wanted)) {
        const at = report.record;
        const [expected, actual] = [errorText(wanted), 'none'];
        return fail('untried', {
          object,
          field: 'answer of the kernel',
          expected,
          actual,
          at,
          link,
        });
      }
      return fail('differs', {
        object,
        field: 'result',
        expected: errorText(wanted),
        actual: report === undefined ? 'not reported' : errorText(report.value),
        at: made ?? report?.record,
        link,
      });
    },
  }),
]);
