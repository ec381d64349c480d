/** The pane of virtual IOMMUs over a guest whose process uses plain pointers. */
import { describe, expect, it } from 'vitest';
import type { TableSection, ViewModel } from '../../../../src-main/protocol/views.ts';
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
    expect(translateView(model, 'zh-CN').sections[1]).toMatchObject({
      title: '客户机与宿主机的 PASID 表项',
    });
  });
});
