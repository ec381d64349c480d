import { describe, expect, it } from 'vitest';
import { Timeline } from '../../../src-main/services/timeline/timeline.ts';
import { why } from '../../../src-main/services/timeline/why.ts';
import { ADDRESS_TYPE, createMemoryRequest } from '../../../src-main/sim/pcie/ports.ts';
import { markChanges } from '../../../src-main/services/views/markup.ts';
import { AVAILABLE_VIEWS, makeView } from '../../../src-main/services/views/views.ts';
import { bootIdxd, moveWords, wqAt } from '../../support/linux-idxd.ts';
import { bootLab, type Lab } from '../../support/linux-machine.ts';

const RID = 0x6a08;
const PASID = 5;
const PAGE = 0x400_0000;

/** A kernel that has attached a domain to one PASID and mapped one page. */
function attachedLab(): Lab {
  const lab = bootLab({ devices: [{ kind: 'dsa', name: 'dsa0', bdf: '6a:01.0' }] });
  const { kernel } = lab;
  const dev = kernel.pci.pci_get_domain_bus_and_slot(0, 0x6a, 0x08);
  if (dev === null) throw new Error('The accelerator was not enumerated');
  kernel.pci.pci_enable_device(dev);
  kernel.pci.pci_set_master(dev);
  const domain = kernel.iommu.iommu_domain_alloc();
  if (domain === null) throw new Error('No domain');
  expect(kernel.iommu.iommu_map(domain, 0x1000, PAGE, 4096, 3)).toBe(0);
  expect(kernel.iommu.iommu_attach_device_pasid(domain, dev, PASID)).toBe(0);
  return lab;
}

function dma(lab: Lab, pasid: number, address: number): number {
  const request = createMemoryRequest();
  request.pasid = pasid;
  request.low = address;
  request.bytes = 8;
  request.addressType = ADDRESS_TYPE.untranslated;
  return lab.machine.fabric.portOf(RID).read(request, new Uint8Array(8), 0);
}

describe('Timeline', () => {
  it('shows the same state again after going back and forward', () => {
    const lab = attachedLab();
    const timeline = new Timeline(lab.hw);
    const live = timeline.state().stateHash;
    const seen = new Map<number, string>();
    for (const at of [0, 20, 60, timeline.head - 1, 60, 20, 0, timeline.head - 1]) {
      timeline.seek(at);
      const { stateHash } = timeline.state();
      expect(seen.get(at) ?? stateHash).toBe(stateHash);
      seen.set(at, stateHash);
    }
    timeline.seek('head');
    expect(timeline.state().stateHash).toBe(live);
    expect(new Set(seen.values()).size).toBeGreaterThan(2);
  });

  it('replays to the live state without the live machine', () => {
    const lab = attachedLab();
    const timeline = new Timeline(lab.hw);
    timeline.seek(timeline.head - 1);
    timeline.machine();
    lab.hw.memoryWrite64(PAGE, 7n);
    timeline.seek(timeline.head - 1);
    expect(timeline.machine().memory.read64(PAGE)).toBe(0n);
    expect(lab.machine.memory.read64(PAGE)).toBe(7n);
  });

  it('walks a fault back to the entry that stopped it', () => {
    const lab = attachedLab();
    expect(dma(lab, 6, 0x1000)).not.toBe(0);
    const fault = lab.rows('iommu.request.blocked').at(-1);
    expect(fault?.values['reason']).toBe(0x59);
    const chain = why(lab.machine.trace, fault?.seq ?? -1);
    expect(chain?.links[0]?.text).toContain('0x59');
    expect(chain?.links.some((l) => l.text.startsWith('The walk stopped here'))).toBe(true);
    expect(chain?.summary).toContain('PASID');
  });

  it('names the queue that put a PASID nobody is attached to on its requests', () => {
    const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'kernel' }] });
    const wq = wqAt(lab, 0);
    wq.disable();
    wq.setPasid({ pasid: 9, priv: false });
    wq.enableHardware();
    lab.hw.movdir64b(
      0,
      wq.portal('unlimitedMsix'),
      moveWords({ from: PAGE, to: PAGE, bytes: 8, record: PAGE }),
    );
    lab.kernel.core.advance(100_000);
    const enabled = lab.rows('dsa.wq.enabled').at(-1);
    for (const kind of ['iommu.request.blocked', 'iommu.fault.recorded']) {
      const fault = lab.rows(kind).at(-1);
      expect(fault?.values['reason']).toBe(0x59);
      const chain = why(lab.machine.trace, fault?.seq ?? -1);
      const titles = chain?.links.map((l) => l.title) ?? [];
      expect(titles).toContain('Never written');
      expect(titles.filter((title) => title === 'Table entry read').length).toBe(4);
      expect(chain?.links.map((l) => l.event)).toContain(enabled?.seq);
    }
  });

  it('names the write behind an entry that maps too little', () => {
    const lab = attachedLab();
    expect(dma(lab, PASID, 0x2000)).not.toBe(0);
    const fault = lab.rows('iommu.request.blocked').at(-1);
    const chain = why(lab.machine.trace, fault?.seq ?? -1);
    expect(fault?.values['reason']).toBe(0x79);
    expect(chain?.links.length).toBeGreaterThan(1);
  });
});

describe('views', () => {
  it('show every pane of a booted machine without an error, twice the same', () => {
    const lab = attachedLab();
    dma(lab, PASID, 0x1000);
    dma(lab, 6, 0x1000);
    const context = {
      machine: lab.machine,
      trace: lab.machine.trace,
      at: lab.machine.trace.head,
      params: {},
    };
    for (const view of AVAILABLE_VIEWS) {
      const model = makeView(view, context);
      expect(model.sections.length > 0 || (model.empty ?? '').length > 20, view).toBe(true);
      expect(makeView(view, context)).toEqual(model);
    }
  });

  it('decode the PASID entry that the kernel wrote', () => {
    const lab = attachedLab();
    const model = makeView('pasid-table', {
      machine: lab.machine,
      trace: lab.machine.trace,
      at: lab.machine.trace.head,
      params: {},
    });
    const text = JSON.stringify(model);
    expect(text).toContain(`"id":"pasid-${RID}-${PASID}"`);
    expect(text).toContain('2 (second stage)');
  });

  it('walk the last request that had an address to translate, not one with a host address', () => {
    const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'kernel' }] });
    const page = lab.kernel.dma.dma_alloc_coherent(lab.dev, 4096);
    if (page === null) throw new Error('No page');
    const [from, to, record] = [page.dma, page.dma + 64, page.dma + 128];
    const words = moveWords({ from, to, bytes: 8, record });
    lab.hw.movdir64b(0, wqAt(lab, 0).portal('unlimitedMsix'), words);
    lab.kernel.core.advance(100_000);
    expect(lab.rows('iommu.request.translated').at(-1)?.values['type']).toBe(
      ADDRESS_TYPE.translated,
    );
    const { machine } = lab;
    const context = { machine, trace: machine.trace, at: machine.trace.head, params: {} };
    const { choices = [] } = makeView('page-walk', context);
    const shown = Object.fromEntries(choices.map((choice) => [choice.param, choice.value]));
    expect(Number(shown['address'])).toBeGreaterThanOrEqual(page.dma);
    expect(Number(shown['address'])).toBeLessThan(page.dma + 4096);
    expect(shown['pasid']).toBe(String(lab.idxd.systemPasid));
  });

  it('mark what differs from the stop before, and nothing else', () => {
    const lab = attachedLab();
    const context = {
      machine: lab.machine,
      trace: lab.machine.trace,
      at: lab.machine.trace.head,
      params: {},
    };
    const before = makeView('registers', context);
    expect(JSON.stringify(markChanges(before, before))).not.toContain('"isChanged"');
    dma(lab, 6, 0x1000);
    const after = markChanges(makeView('registers', context), before);
    const rows = after.sections.flatMap((s) => (s.kind === 'table' ? s.rows : []));
    const changed = rows.filter((r) => r.isChanged === true).map((r) => r.id);
    expect(changed).toContain('FSTS_REG');
    expect(changed).toContain('FRCD_REG_0');
    expect(changed).not.toContain('CAP_REG');
  });

  it('mark a cached entry stale once memory says something else', () => {
    const lab = attachedLab();
    dma(lab, PASID, 0x1000);
    const context = {
      machine: lab.machine,
      trace: lab.machine.trace,
      at: lab.machine.trace.head,
      params: {},
    };
    expect(JSON.stringify(makeView('iotlb', context))).not.toContain('"stale"');
    const entry = lab.rows('linux.pasid-entry.written').at(-1);
    lab.machine.memory.write64(Number(entry?.values['address'] ?? 0), 0n);
    expect(JSON.stringify(makeView('iotlb', context))).toContain('"stale"');
    expect(JSON.stringify(makeView('pasid-cache', context))).toContain('"stale"');
  });
});
