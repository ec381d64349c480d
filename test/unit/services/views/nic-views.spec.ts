/** Rings, packets and cost of sharing as panes show them. */
import { describe, expect, it } from 'vitest';
import type { TableSection, ViewModel } from '../../../../src-main/protocol/views.ts';
import { SiovHost, SriovHost } from '../../../../src-main/services/bench/sharing-hosts.ts';
import {
  bootSharingMachine,
  DEFAULT_SHARING,
  type SharingMachine,
} from '../../../../src-main/services/bench/sharing-machine.ts';
import type { SharingTenant } from '../../../../src-main/services/bench/sharing-tenant.ts';
import { makeView } from '../../../../src-main/services/views/views.ts';
import { Machine } from '../../../../src-main/sim/index.ts';

function boot(): SharingMachine {
  return bootSharingMachine({
    ...DEFAULT_SHARING,
    queuePairs: 8,
    totalVfs: 4,
    cpus: 1,
    memoryBytes: 64 * 2 ** 20,
  });
}

function tenantOf(host: SiovHost | SriovHost, index: number): SharingTenant {
  const result = host.open(index);
  if (!('tenant' in result)) {
    throw new Error(result.stoppedBy);
  }
  result.tenant.start();
  return result.tenant;
}

function show(machine: Machine, view: 'rings' | 'packets' | 'sharing-cost'): ViewModel {
  return makeView(view, { machine, trace: machine.trace, at: 0, params: {} });
}

function cells(view: ViewModel): readonly (readonly string[])[] {
  const [table] = view.sections as readonly TableSection[];
  return (table?.rows ?? []).map((row) =>
    row.cells.map((cell) => (typeof cell === 'string' ? cell : cell.text)),
  );
}

describe('views of a network adapter', () => {
  it('show the packet with both ends and its bytes, and the rings behind it', () => {
    const m = boot();
    const host = new SiovHost(m);
    const [first, second] = [tenantOf(host, 0), tenantOf(host, 1)];
    first.send(second.mac);
    m.kernel.core.advance(100_000);
    const packets = show(m.machine, 'packets');
    expect(cells(packets).map((row) => [row[2], row[3], row[6], row[7]])).toEqual([
      ['nic0/qp0', 'nic0/qp1', '64', 'delivered'],
    ]);
    const [table] = packets.sections as readonly TableSection[];
    expect(table?.rows[0]?.detail?.[0]).toMatchObject({ kind: 'bytes' });
    const rings = cells(show(m.machine, 'rings'));
    expect(rings.map((row) => [row[0], row[1], row[5], row[7]])).toEqual([
      ['nic0/qp0', 'transmit', '1 → 1', 'running'],
      ['nic0/qp0', 'receive', '0 → 7', 'running'],
      ['nic0/qp1', 'transmit', '0 → 0', 'running'],
      ['nic0/qp1', 'receive', '1 → 7', 'running'],
    ]);
  });

  it('put virtual functions and ADIs side by side', () => {
    const m = boot();
    const sriov = new SriovHost(m);
    sriov.prepare(2);
    tenantOf(sriov, 0);
    tenantOf(new SiovHost(m), 0);
    expect(cells(show(m.machine, 'sharing-cost'))).toEqual([
      ['Tenants', '2', '1'],
      ['Requester IDs, context entries', '2', '0'],
      ['Configuration space in hardware', '8 KiB', '0 B'],
      ['Device registers mapped', '32 KiB', '4 KiB'],
      ['PASIDs', '0', '1'],
      ['Interrupt entries', '2', '1'],
    ]);
  });

  it('show the rings of a crypto device', () => {
    const machine = new Machine({
      config: {
        ...boot().machine.config,
        devices: [{ kind: 'qat', name: 'qat0', bdf: '6b:00.0', options: { ringPairs: 2 } }],
      },
      trace: { mode: 'off' },
    });
    const qat = machine.fabric.find(0x6b00);
    qat?.mmioWrite(0, 0x10_0000 + 0x2000 + 0x1108, 4, 0x8000_0009n);
    qat?.mmioWrite(0, 0x10_0000 + 0x2000 + 0x100, 4, 128n);
    expect(cells(show(machine, 'rings')).map((row) => [row[0], row[1], row[3], row[5]])).toEqual([
      ['qat0/rp1', 'request', '9', '0x0 → 0x80'],
      ['qat0/rp1', 'response', '9', '0x0 → 0x0'],
    ]);
  });

  it('say so when there is no adapter', () => {
    const machine = new Machine({
      config: { ...boot().machine.config, devices: [] },
      trace: { mode: 'off' },
    });
    for (const view of ['rings', 'packets', 'sharing-cost'] as const) {
      expect(show(machine, view)).toMatchObject({ view, sections: [] });
      expect(show(machine, view).empty).toMatch(/^This machine has no/);
    }
  });
});
