/** The pane of virtual IOMMUs over a guest whose process uses plain pointers. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { contextCacheGlobal } from '../../../../src-main/linux/iommu/intel/invalidations.ts';
import { FECTL_REG } from '../../../../src-main/spec/vtd/registers/fault.ts';
import type {
  KeyValueSection,
  TableSection,
  ViewModel,
} from '../../../../src-main/protocol/views.ts';
import { translateView } from '../../../../src-main/services/views/translate-view.ts';
import { makeView } from '../../../../src-main/services/views/views.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostPasidOf,
  openGuestApp,
  startGuest,
} from '../../../support/linux-vsva.ts';

function rowsOf(model: ViewModel, id: string): readonly (readonly string[])[] {
  const table = model.sections.find((s) => s.id === id) as TableSection;
  return table.rows.map((row) => row.cells.map((c) => (typeof c === 'string' ? c : c.text)));
}

describe.each(['iommufd', 'kvmforum2019'] as const)('a guest with a vIOMMU, %s', (profile) => {
  it('has its PASID entries beside those of the host, over the same table', () => {
    const lab = bootVsva(profile, ['shared']);
    const guest = startGuest(lab, 1, 'shared');
    const app = openGuestApp(guest, 'app');
    guest.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    guest.guest.core.advance(1_000_000);
    expect(guestStatus(app)).toBe(1);
    const { trace } = lab.machine;
    const model = makeView('viommu', {
      machine: lab.machine,
      trace,
      at: trace.head,
      params: { unit: 'vm1' },
    });
    const own = rowsOf(model, 'entries').find((row) => row[1] === String(app.process.mm.pasid));
    expect(own?.slice(2, 3)).toEqual(['first-stage']);
    expect(own?.slice(4, 6)).toEqual([String(hostPasidOf(guest, app)), 'nested']);
    expect(own?.[6]).toBe(own?.[3]);
    expect(own?.[7]).toBe('followed');
    const carried = rowsOf(model, 'events').map((row) => row[1] ?? '');
    expect(carried.some((what) => what.includes('is missing'))).toBe(true);
    const chinese = translateView(model, 'zh-CN').sections;
    expect(chinese.find((section) => section.id === 'entries')).toMatchObject({
      title: '客户机与宿主机的 PASID 表项',
    });
  });
});

describe('a function that the guest’s unit would refuse', () => {
  it('is shown as blocked, with the fault, its records and the state of the queues', () => {
    const lab = bootVsva('iommufd', ['shared']);
    const own = startGuest(lab, 1, 'shared');
    const app = openGuestApp(own, 'app');
    const { unit } = defined(own.guest.iommu.driver ?? undefined, 'Driver of the guest');
    const { hw } = own.guest.core;
    const context = unit.contexts.entryAddress(own.dev.rid);
    const show = (): ViewModel =>
      makeView('viommu', {
        machine: lab.machine,
        trace: lab.machine.trace,
        at: lab.machine.trace.head,
        params: {},
      });
    expect(rowsOf(show(), 'functions')[0]?.slice(0, 3)).toEqual([
      '00:03.0',
      'first stage of the guest',
      '—',
    ]);
    // Page requests off, and the driver does not hear of faults.
    own.viommu.write(FECTL_REG.offset, 4, 2n ** 31n);
    hw.memoryWrite64(context, hw.memoryRead64(context) & ~0x10n);
    unit.queue.submit([contextCacheGlobal()]);
    own.guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
    own.guest.core.advance(5_000_000);
    const record = rowsOf(show(), 'faults')[0];
    expect(record?.[0]).toBe(`00:03.0 PASID ${app.process.mm.pasid}`);
    expect(record?.[1]).toMatch(/^page request, 0x/);
    expect(record?.[2]).toMatch(/^47h /);
    hw.memoryWrite64(context, hw.memoryRead64(context) & ~1n);
    unit.queue.submit([contextCacheGlobal()]);
    expect(rowsOf(show(), 'functions')[0]?.slice(1)).toEqual([
      'nothing: blocked',
      '41h Context entry not present',
    ]);
    const state = show().sections.find((s) => s.id === 'unit') as KeyValueSection;
    const valueOf = (key: string): string =>
      state.rows.find((row) => row.key === key)?.value ?? 'missing';
    expect(valueOf('Fault status')).toContain('faults wait');
    expect(valueOf('Translation')).toBe('on, scalable mode');
    expect(valueOf('Invalidation queue')).toMatch(/^0x[0-9a-f_]+, head (\d+), tail \1$/);
    own.vm.kill();
    expect(show().sections).toEqual([]);
  });
});
