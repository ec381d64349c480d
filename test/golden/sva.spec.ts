/**
 * One address space from a process to the device, record by record: a native process whose destination was never touched,
 * and processes of two guests that use the same PASID number, on a dedicated and on a shared queue.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../src-main/bits/invariant.ts';
import { STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import type { TraceRow } from '../support/linux-machine.ts';
import { bootSva, lazyMove, openApp, PAGE, responses, statusOf } from '../support/linux-sva.ts';
import {
  bootVsva,
  guestMove,
  guestStatus,
  hostEntry,
  hostPasidOf,
  openGuestApp,
  startGuest,
} from '../support/linux-vsva.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const MODES = ['dedicated', 'shared'] as const;

function golden(rows: readonly TraceRow[]): string {
  return `${rows.map(({ source, kind }) => JSON.stringify({ source, kind })).join('\n')}\n`;
}

function whole(rows: readonly TraceRow[]): string {
  return JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  );
}

/** Kinds in the order of their first occurrence. */
function order(rows: readonly TraceRow[], kinds: readonly string[]): readonly string[] {
  return [...new Set(rows.map((row) => row.kind))].filter((kind) => kinds.includes(kind));
}

describe('native SVA with lazy pages', () => {
  const scene = () => {
    const lab = bootSva();
    const app = openApp(lab, 'app');
    app.process.mm.write(app.memory, new TextEncoder().encode('lazy'));
    const from = lab.machine.trace.head;
    lab.kernel.instructions.enqcmd(app.process, app.portal, lazyMove(app));
    lab.kernel.core.advance(1_000_000);
    return { lab, app, rows: lab.rows().filter((row) => row.seq >= from) };
  };

  it('faults once for IA32_PASID and once for the page, and is the recorded one', async () => {
    const { lab, app, rows } = scene();
    expect(statusOf(app)).toBe(STATUS.success);
    expect(app.process.mm.read(app.memory + PAGE, 4)).toEqual(new TextEncoder().encode('lazy'));
    const instructions = rows
      .filter((r) => r.kind === 'linux.instruction.executed')
      .map((r) => r.values['result']);
    expect(instructions).toEqual(['#GP', 'ZF=0, accepted']);
    expect(responses(lab)).toEqual([[app.process.mm.pasid, 0]]);
    const way = [
      'dsa.descriptor.enqueued',
      'dsa.page-request.sent',
      'iommu.page-request.queued',
      'linux.paging-entry.written',
      'linux.page-request.answered',
      'iommu.page-group-response.sent',
      'dsa.page-response.received',
      'dsa.descriptor.completed',
    ];
    expect(new Set(order(rows, way))).toEqual(new Set(way));
    const first = (kind: string): number => rows.find((r) => r.kind === kind)?.seq ?? -1;
    const stations = way.filter((kind) => kind !== 'dsa.page-request.sent').map(first);
    expect(stations).toEqual([...stations].sort((a, b) => a - b));
    expect(rows.filter((r) => r.kind === 'iommu.fault.recorded')).toEqual([]);
    await expect(golden(rows)).toMatchFileSnapshot('./sva-lazy-pages.golden.jsonl');
  });

  it('is the same twice, record for record', () => {
    expect(whole(scene().rows)).toBe(whole(scene().rows));
  });
});

describe.each(MODES)('vSVA of two VMs with one PASID number, %s queues', (mode) => {
  const scene = (profile: (typeof PROFILES)[number]) => {
    const lab = bootVsva(profile, [mode, mode]);
    const devices = [1, 2].map((n) => startGuest(lab, n, mode));
    const apps = devices.map((device) => openGuestApp(device, 'app'));
    const from = lab.machine.trace.head;
    devices.forEach(({ guest }, i) => {
      const app = defined(apps[i], 'App');
      app.process.mm.write(app.memory, new TextEncoder().encode(`vm ${i}`));
      if (mode === 'shared') {
        guest.instructions.enqcmd(app.process, app.portal, guestMove(app));
      } else {
        guest.instructions.movdir64b(app.process, app.portal, guestMove(app));
      }
      guest.core.advance(1_000_000);
    });
    return { lab, devices, apps, rows: lab.rows().filter((row) => row.seq >= from) };
  };

  it.each(PROFILES)('keeps them apart, and is the recorded one (%s)', async (profile) => {
    const { lab, devices, apps, rows } = scene(profile);
    const guestPasids = apps.map((app) => app.process.mm.pasid);
    expect(guestPasids[0]).toBe(guestPasids[1]);
    const hosts = devices.map((device, i) => hostPasidOf(device, defined(apps[i], 'App')));
    expect(new Set(hosts).size).toBe(2);
    apps.forEach((app, i) => {
      expect(guestStatus(app)).toBe(STATUS.success);
      const copied = app.process.mm.read(app.memory + PAGE, 4);
      expect(copied).toEqual(new TextEncoder().encode(`vm ${i}`));
      expect(hostEntry(lab, hosts[i] ?? -1).FSPTPTR).toBe(BigInt(app.process.mm.table.root));
    });
    const enqueued = rows.filter((r) => r.kind === 'dsa.descriptor.completed');
    expect(enqueued.map((r) => r.values['pasid'])).toEqual(hosts);
    // Each page came in through the guest that it is of: asked with its number, answered with the host's.
    expect(responses(lab)).toEqual(hosts.map((pasid) => [pasid, 0]));
    const asked = rows.filter((r) => r.kind === 'vmm.viommu.page-request');
    expect(asked.map((r) => [r.source, r.values['pasid']])).toEqual(
      devices.map((_, i) => [`vm${i + 1}`, guestPasids[i]]),
    );
    expect(rows.filter((r) => r.kind === 'iommu.fault.recorded')).toEqual([]);
    await expect(golden(rows)).toMatchFileSnapshot(`./vsva-${mode}-${profile}.golden.jsonl`);
  });

  it('is the same twice, record for record', () => {
    expect(whole(scene('iommufd').rows)).toBe(whole(scene('iommufd').rows));
  });
});
