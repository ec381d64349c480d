import { readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LabRun } from '../../../src-main/labs-engine/run/lab-run.ts';
import { planRun } from '../../../src-main/labs-engine/run/run-plan.ts';
import { events, PGTT, WQ_STATE } from '../../../src-main/labs-engine/sdk/index.ts';
import { RunFacts } from '../../../src-main/labs-engine/sdk/run-facts.ts';
import { testEngine } from '../../support/script-lab.ts';

const DRIVER = `import { report } from 'lab/oracle';
import { alloc_pages } from 'hw';
import { pci_get_device } from 'linux/pci';
import {
  IOMMU_READ, IOMMU_WRITE,
  iommu_alloc_global_pasid, iommu_attach_device_pasid, iommu_detach_device_pasid,
  iommu_map, iommu_paging_domain_alloc,
} from 'linux/iommu';

const dev = pci_get_device(0x8086, 0x0b25);
if (dev === null) throw new Error('no device');
const second = iommu_paging_domain_alloc(dev, 'second-stage');
const first = iommu_paging_domain_alloc(dev, 'first-stage');
if (typeof second === 'number' || typeof first === 'number') throw new Error('no domain');
const page = alloc_pages(4);
report('page', page);
iommu_map(second, 0x4000_0000, page, 0x2000, IOMMU_READ | IOMMU_WRITE);
iommu_map(first, 0x7000_0000, page + 0x2000, 0x1000, IOMMU_READ);
const a = iommu_alloc_global_pasid(dev);
const b = iommu_alloc_global_pasid(dev);
iommu_attach_device_pasid(second, dev, a);
iommu_attach_device_pasid(first, dev, b);
iommu_detach_device_pasid(first, dev, b);
iommu_attach_device_pasid(first, dev, b);
report('pasids', String(a) + ' ' + String(b));
`;

const RID = 0x6a08;
let facts: RunFacts;

beforeAll(() => {
  const run = new LabRun({
    engine: testEngine,
    plan: planRun({
      machine: {
        name: 'sdk',
        memory: { bytes: 256 * 2 ** 20 },
        cpus: 1,
        iommu: { profile: 'lab' },
        devices: [
          { kind: 'dsa', name: 'dsa0', bdf: '6a:01.0' },
          {
            kind: 'plain',
            name: 'plain0',
            bdf: '03:00.0',
            options: {
              vendorId: 1,
              deviceId: 2,
              classCode: 3,
              capabilities: [{ kind: 'dvsec', offset: 0x100, vendor: 7, id: 9 }],
            },
          },
        ],
      },
      seed: 1,
      profile: 'iommufd',
      scripts: [{ path: 'driver.ts', text: DRIVER, actor: 'host-driver' }],
    }),
  });
  expect(run.start()).toEqual({ kind: 'finished' });
  facts = new RunFacts(run);
});

const lineOf = (text: string): number =>
  DRIVER.split('\n').findIndex((line) => line.includes(text)) + 1;

describe('event kinds of the SDK', () => {
  it('are those of every block', () => {
    const folder = path.resolve(import.meta.dirname, '../../../src-main/spec/events');
    const blocks = readdirSync(folder)
      .filter((name) => name !== 'event.ts')
      .map((name) =>
        name.replace('.ts', '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
      );
    expect(Object.keys(events).toSorted()).toEqual(blocks.toSorted());
  });
});

describe('questions about the trace', () => {
  it('are by kind and field', () => {
    const { trace } = facts;
    const attached = trace.all(events.linux.DOMAIN_ATTACHED, {
      rid: RID,
      pasid: (pasid) => pasid > 0,
    });
    expect(attached.map((record) => record.values.pasid)).toEqual([1, 2, 2]);
    expect(trace.count(events.linux.DOMAIN_DETACHED, { pasid: 2 })).toBe(1);
    expect(trace.first(events.linux.DOMAIN_ATTACHED, { pasid: 77 })).toBeUndefined();
  });

  it('may look at a stretch of the run', () => {
    const { trace } = facts;
    const detached = trace.first(events.linux.DOMAIN_DETACHED, { pasid: 2 });
    if (detached === undefined) throw new Error('no record');
    expect(trace.before(detached).count(events.linux.DOMAIN_ATTACHED, { pasid: 2 })).toBe(1);
    expect(trace.after(detached).count(events.linux.DOMAIN_ATTACHED, { pasid: 2 })).toBe(1);
    expect(trace.after(detached).count(events.linux.DOMAIN_ATTACHED, { pasid: 1 })).toBe(0);
  });

  it('lead from an effect to the line of the script, and back', () => {
    const { trace } = facts;
    const written = trace.last(events.linux.PASID_ENTRY_WRITTEN, { rid: RID, pasid: 1 });
    if (written === undefined) throw new Error('no record');
    expect(trace.scriptLine(written)).toEqual({
      path: 'driver.ts',
      line: lineOf('iommu_attach_device_pasid(second'),
    });
    const call = trace.causeOf(written, events.script.SCRIPT_CALLED);
    expect(call?.values.call).toBe('iommu_attach_device_pasid');
    if (call === undefined) throw new Error('no call');
    expect(trace.scriptLine(call)).toEqual(trace.scriptLine(written));
    expect(trace.effects(call, events.linux.DOMAIN_ATTACHED)).toHaveLength(1);
    expect(trace.text(call)).toContain('iommu_attach_device_pasid');
  });

  it('find nothing behind what nobody set off', () => {
    const boot = facts.trace.first(events.iommu.ROOT_LATCHED);
    if (boot === undefined) throw new Error('no record');
    expect(facts.trace.scriptLine(boot)).toBeUndefined();
  });
});

describe('questions about the tables', () => {
  it('decode the entries in memory', () => {
    const entry = facts.tables.pasidEntry(RID, 1);
    expect(entry?.object).toBe('PASID entry 1 of 6a:01.0');
    expect(entry?.values).toMatchObject({ P: 1, PGTT: PGTT.secondStage });
    expect(facts.tables.pasidEntry(RID, 2)?.values.PGTT).toBe(PGTT.firstStage);
    expect(facts.tables.contextEntry(RID)?.values).toMatchObject({ P: 1, PASIDE: 1 });
  });

  it('tell what is not there', () => {
    expect(facts.tables.pasidEntry(RID, 3)?.values.P).toBe(0);
    expect(facts.tables.pasidEntry(RID, 0xf_ffff)).toBeUndefined();
    expect(facts.tables.contextEntry(0x0500)).toBeUndefined();
    expect(facts.tables.presentPasids(RID)).toEqual([0, 1, 2]);
  });

  it('word what is wrong with a field, with the record that wrote it', () => {
    const entry = facts.tables.pasidEntry(RID, 1);
    const mismatch = entry?.mismatch('PGTT', PGTT.nested);
    expect(mismatch).toMatchObject({
      object: 'PASID entry 1 of 6a:01.0',
      field: 'PGTT',
      expected: 'nested (3)',
      actual: 'secondStage (2)',
      link: { view: 'pasid-table', params: { rid: '0x6a08', pasid: 1 } },
    });
    expect(mismatch?.at?.kind.kind).toBe('linux.pasid-entry.written');
    expect(mismatch?.at === undefined ? undefined : facts.trace.scriptLine(mismatch.at)?.line).toBe(
      lineOf('iommu_attach_device_pasid(second'),
    );
  });

  it('follow the page tables as the unit would', () => {
    const page = Number(facts.report('page')?.value);
    expect(facts.tables.translate(RID, 1, 0x4000_1234)).toEqual({
      hpa: page + 0x1234,
      isReadable: true,
      isWritable: true,
      pageBytes: 4096,
    });
    expect(facts.tables.translate(RID, 2, 0x7000_0010)).toMatchObject({
      hpa: page + 0x2010,
      isReadable: true,
      isWritable: false,
    });
    expect(facts.tables.translate(RID, 1, 0x4000_2000)).toBeUndefined();
    expect(facts.tables.translate(RID, 2, 0x4000_0000)).toBeUndefined();
    expect(facts.tables.translate(RID, 3, 0x4000_0000)).toBeUndefined();
  });
});

describe('questions about devices and software', () => {
  it('read configuration space and capabilities', () => {
    expect(facts.device('plain0').extendedCapabilities()).toEqual([
      { id: 0x23, offset: 0x100, next: 0, vendor: 7, dvsecId: 9 },
    ]);
    expect(facts.device('dsa0')).toMatchObject({ rid: RID, bdf: '6a:01.0', kind: 'dsa' });
    expect(() => facts.device('dsa1')).toThrow('Device dsa1 is missing');
  });

  it('read the configuration of a work queue', () => {
    const queue = facts.device('dsa0').workQueue(3);
    expect(queue.object).toBe('WQ 3 of dsa0');
    expect(queue.values.state).toBe(WQ_STATE.disabled);
    expect(queue.text('state')).toBe('disabled (0)');
  });

  it('read published objects and counters', () => {
    expect(facts.software.get('report/pasids')).toBe('1 2');
    const names = facts.software.under('pasid/').map(({ name }) => name);
    expect(names).toEqual(['1', '2']);
    expect(facts.iommuCounters).toMatchObject({ faults: 0 });
  });
});
