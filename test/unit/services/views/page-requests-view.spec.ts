/** Page requests of guests on their way through VMM and guest, two VMs at once. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { TableRow } from '../../../../src-main/protocol/views.ts';
import { pageRequestsView } from '../../../../src-main/services/views/page-requests-view.ts';
import { Trace, type Machine } from '../../../../src-main/sim/index.ts';
import { PAGE_REQUEST_SENT, PAGE_RESPONSE_RECEIVED } from '../../../../src-main/spec/events/dsa.ts';
import { PAGE_REQUEST_QUEUED, PAGE_RESPONSE_SENT } from '../../../../src-main/spec/events/iommu.ts';
import { PAGE_REQUEST_ANSWERED } from '../../../../src-main/spec/events/linux.ts';
import { VIOMMU_PAGE_REQUEST, VIOMMU_PAGE_RESPONSE } from '../../../../src-main/spec/events/vmm.ts';

const RID = 0x6a08;
const GUEST_RID = 0x18;
const GUEST_PASID = 2;
const PAGE = 0x7f00_0000_2000n;

describe('page requests of guests', () => {
  let trace: Trace;
  let at: Record<'dmar0' | 'dsa' | 'linux' | 'red' | 'blue', number>;

  beforeEach(() => {
    trace = new Trace({ mode: 'store', capacity: 1024 });
    const [dmar0, dsa, linux, red, blue] = ['dmar0', 'dsa', 'linux', 'red', 'blue'].map((name) =>
      trace.source(name),
    ) as [number, number, number, number, number];
    at = { dmar0, dsa, linux, red, blue };
  });

  function ask(hostPasid: number, group: number): void {
    trace.record(PAGE_REQUEST_QUEUED, at.dmar0, RID, hostPasid, PAGE, group, 1, 1);
    trace.record(PAGE_REQUEST_SENT, at.dsa, 0, hostPasid, PAGE, 1, group);
  }

  function rows(): readonly TableRow[] {
    const { sections } = pageRequestsView({
      machine: undefined as unknown as Machine,
      trace,
      at: trace.head,
      params: {},
    });
    const [table] = sections;
    if (table?.kind !== 'table') throw new Error('no table');
    return table.rows;
  }

  const textsOf = ({ cells }: TableRow): readonly string[] =>
    cells.map((cell) => (typeof cell === 'string' ? cell : cell.text));

  function stepsOf(row: TableRow | undefined): readonly (string | undefined)[] {
    const [steps] = row?.detail ?? [];
    if (steps?.kind !== 'table') throw new Error('no steps');
    return steps.rows.map((step) => textsOf(step)[0]);
  }

  it('are one row each, though both guests have the same PASID and page', () => {
    ask(6, 0);
    ask(7, 1);
    trace.record(VIOMMU_PAGE_REQUEST, at.blue, 'vdev-blue', GUEST_PASID, PAGE, 1);
    trace.record(VIOMMU_PAGE_REQUEST, at.red, 'vdev-red', GUEST_PASID, PAGE, 0);
    expect(rows().map((row) => textsOf(row)[4])).toEqual([
      'waiting for the guest',
      'waiting for the guest',
    ]);
    trace.record(PAGE_REQUEST_ANSWERED, at.red, GUEST_RID, GUEST_PASID, 0, 0, 'there now');
    trace.record(VIOMMU_PAGE_RESPONSE, at.red, 'vdev-red', GUEST_PASID, 0, 0, 'the guest');
    expect(textsOf(rows()[1] as TableRow)[4]).toBe('waiting for the kernel');
    trace.record(PAGE_REQUEST_ANSWERED, at.linux, RID, 6, 0, 0, 'answered by the VMM');
    trace.record(PAGE_RESPONSE_SENT, at.dmar0, RID, 6, 0, 0);
    trace.record(PAGE_RESPONSE_RECEIVED, at.dsa, 0, 6, 0);
    const [blue, red, ...others] = rows();
    expect(others).toEqual([]);
    expect(textsOf(blue as TableRow).slice(0, 5)).toEqual([
      '6a:01.0',
      '7',
      '0x7f00_0000_2000',
      '1',
      'waiting for the guest',
    ]);
    expect(textsOf(red as TableRow)[4]).toBe('success: answered by the VMM');
    expect(stepsOf(red)).toEqual([
      'Device',
      'IOMMU',
      'VMM',
      'Guest kernel',
      'VMM',
      'Kernel',
      'IOMMU',
      'Device',
    ]);
    expect(stepsOf(blue)).toEqual(['Device', 'IOMMU', 'VMM']);
  });

  it('are told apart by the page where a VMM gives them other group indexes', () => {
    ask(6, 4);
    trace.record(VIOMMU_PAGE_REQUEST, at.red, 'vdev-red', GUEST_PASID, PAGE, 0);
    trace.record(PAGE_REQUEST_ANSWERED, at.red, GUEST_RID, GUEST_PASID, 0, 1, 'no area');
    expect(stepsOf(rows()[0])).toEqual(['Device', 'IOMMU', 'VMM', 'Guest kernel']);
    expect(rows()).toHaveLength(1);
  });
});
