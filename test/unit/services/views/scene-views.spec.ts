/** Views over a machine at work: what they say is compared with what the scene did. */
import { beforeAll, describe, expect, it } from 'vitest';
import type {
  FieldRow,
  Section,
  TableRow,
  TableSection,
  TopologySection,
  TreeNode,
  TreeSection,
  ViewId,
  ViewModel,
  WalkSection,
} from '../../../../src-main/protocol/views.ts';
import { AVAILABLE_VIEWS } from '../../../../src-main/services/views/views.ts';
import { bootScene, type PlayedScene } from '../../../support/scene/boot-scene.ts';
import { uuidOf } from '../../../support/linux-idxd.ts';
import { NESTED_GVA } from '../../../support/scene/translation-scene.ts';

let scene: PlayedScene;

beforeAll(() => {
  scene = bootScene();
});

function sectionOf<K extends Section['kind']>(
  model: ViewModel,
  kind: K,
  id?: string,
): Extract<Section, { kind: K }> {
  const found = model.sections.find((s) => s.kind === kind && (id === undefined || s.id === id));
  if (found === undefined) throw new Error(`${model.view} has no ${kind} ${id ?? ''}`);
  return found as Extract<Section, { kind: K }>;
}

function textsOf(row: TableRow): readonly string[] {
  return row.cells.map((cell) => (typeof cell === 'string' ? cell : cell.text));
}

function rowsOf(view: ViewId, id?: string): readonly (readonly string[])[] {
  return sectionOf(scene.show(view), 'table', id).rows.map(textsOf);
}

function pathTo(nodes: readonly TreeNode[], ...titles: readonly RegExp[]): TreeNode {
  const [first, ...rest] = titles;
  const found = nodes.find((node) => first?.test(node.title) === true);
  if (found === undefined) {
    throw new Error(`No ${String(first)} among ${nodes.map((n) => n.title).join(', ')}`);
  }
  return rest.length === 0 ? found : pathTo(found.children ?? [], ...rest);
}

function fieldOf(node: TreeNode, name: string): FieldRow | undefined {
  const structure = node.detail?.find((s) => s.kind === 'structure');
  return structure?.fields.find((field) => field.name === name);
}

describe('every view', () => {
  it('shows something of the scene', () => {
    const empty = AVAILABLE_VIEWS.filter((view) => {
      const { sections } = scene.show(view);
      return (
        sections.length === 0 || sections.every((s) => s.kind === 'table' && s.rows.length === 0)
      );
    });
    // The VM of the scene has no IOMMU of its own.
    expect(empty).toEqual(['viommu']);
  });

  it('only reads: neither trace nor machine changes', () => {
    const { trace } = scene.machine;
    const before = [trace.head, scene.machine.stateHash()];
    AVAILABLE_VIEWS.forEach((view) => scene.show(view));
    expect([trace.head, scene.machine.stateHash()]).toEqual(before);
  });

  it('gives rows and nodes names of their own, so that changes are found', () => {
    const twice = AVAILABLE_VIEWS.flatMap((view) => {
      const ids: string[] = [];
      const visit = (node: TreeNode): void => {
        ids.push(node.id);
        node.children?.forEach(visit);
      };
      for (const section of scene.show(view).sections) {
        ids.push(`section ${section.id}`);
        if (section.kind === 'table') ids.push(...section.rows.map((r) => `${section.id}/${r.id}`));
        if (section.kind === 'tree') section.nodes.forEach(visit);
      }
      return ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${view}: ${id}`);
    });
    expect(twice).toEqual([]);
  });
});

describe('tables of the IOMMU', () => {
  it('drill down from the root entry to the page of a process', () => {
    const tree = sectionOf(scene.show('pasid-table'), 'tree') as TreeSection;
    const pasid = [/bus 6a/, /Context entry 6a:01.0/, /directory entry 0/, /^PASID 2$/] as const;
    const entry = pathTo(tree.nodes, ...pasid);
    expect(fieldOf(entry, 'PGTT')?.value).toBe('1 (first stage)');
    const page = pathTo(
      tree.nodes,
      ...pasid,
      /^PML4E 254/,
      /^PDPE 0/,
      /^PDE 0/,
      /0x7f00_0000_5000/,
    );
    expect(page.subtitle).toMatch(/RW user, 4 KiB$/);
    expect(fieldOf(page, 'D')?.value).toBe('1');
  });

  it('show both stages of a nested PASID, the first at guest-physical addresses', () => {
    const tree = sectionOf(scene.show('pasid-table'), 'tree') as TreeSection;
    const nested = pathTo(tree.nodes, /bus 6a/, /Context entry/, /directory entry/, /^PASID 4$/);
    expect(nested.children?.map((c) => c.title)).toEqual([
      'First-stage tables',
      'Second-stage tables',
    ]);
    expect(nested.children?.[0]?.subtitle).toContain('guest-physical');
  });

  it('walk a nested address with four second-stage reads for each first-stage one', () => {
    const walk = sectionOf(scene.show('nested-walk'), 'walk') as WalkSection;
    expect(walk.request.pasid).toBe(4);
    const first = walk.steps.filter((step) => step.stage === 'first-stage');
    expect(first.map((step) => [step.title, step.nested?.length])).toEqual([
      ['PML4E', 4],
      ['PDPE', 4],
      ['PDE', 4],
      ['PTE', 4],
    ]);
    expect(walk.result.ok).toBe(true);
  });

  it('mark cached translations that memory no longer supports', () => {
    const stale = rowsOf('iotlb').filter((row) => row.at(-1) === 'stale');
    const moved = (NESTED_GVA + 4096).toString(16);
    expect(stale.map((row) => row[2]?.replaceAll(/0x|_/g, ''))).toContain(moved);
    expect(
      rowsOf('pasid-cache')
        .filter((r) => r.at(-1) === 'stale')
        .map((r) => r[1]),
    ).toEqual(['3']);
    const held = rowsOf('device-tlb').filter((r) => r.at(-1) === 'stale');
    expect(held.map((row) => row[2]?.replaceAll(/0x|_/g, ''))).toContain(moved);
    expect(rowsOf('context-cache').every((row) => row.at(-1) === 'as in memory')).toBe(true);
  });

  it('keep faults that the handler has cleared, with their reason', () => {
    expect(rowsOf('fault-records', 'earlier').map((row) => row.slice(1, 6))).toEqual([
      ['59h', 'PASID table entry not present', '6b:00.0', '9', 'read'],
    ]);
  });

  it('say what each invalidation asked for', () => {
    const says = rowsOf('invalidation-queue').map((row) => `${row[2] ?? ''}: ${row[3] ?? ''}`);
    expect(says).toContain(
      'Page Group Response: PP=1 RC=1 (invalid request) RID=0x6a08 PASID=2 PRGI=2',
    );
  });

  it('follow a page request through device, unit and kernel and back', () => {
    const { rows } = sectionOf(scene.show('page-requests'), 'table');
    expect(rows.map((row) => textsOf(row)[4])).toEqual([
      'invalid request: no area allows the access',
      'success: the page is present now',
      'success: the page is present now',
    ]);
    const steps = rows[0]?.detail?.[0] as TableSection;
    expect(steps.rows.map((row) => textsOf(row)[0])).toEqual([
      'Device',
      'IOMMU',
      'Kernel',
      'IOMMU',
      'Device',
    ]);
    const taken = rowsOf('page-request-queue').map((row) => row.at(-1));
    expect(taken).toEqual(['taken', 'taken', 'taken']);
  });
});

describe('work and interrupts', () => {
  it('decode descriptors and their completion records', () => {
    const { rows } = sectionOf(scene.show('work-queues'), 'table', 'descriptors');
    expect(rows.map((row) => [textsOf(row)[0], textsOf(row)[2], textsOf(row)[5]])).toEqual([
      ['wq2', '5', '0x01 success'],
      ['wq3', '4', '0x01 success'],
      ['wq1', '3', '0x03 page fault'],
      ['wq1', '3', '0x01 success'],
      ['wq0', '2', '0x04 page request invalid'],
      ['wq0', '2', '0x01 success'],
    ]);
    const names = rows[0]?.detail?.map((s) => (s.kind === 'structure' ? s.name : s.kind));
    expect(names).toEqual(['DsaDescriptorMove', 'DsaRecordPlain']);
  });

  it('lead from a message in the device to remapping entry, handler and vCPU', () => {
    const stored = rowsOf('interrupts', 'messages').filter((row) => row[1]?.startsWith('IMS'));
    expect(stored.map((row) => [row[0], row[1], row[4], row[5]])).toEqual([
      ['dsa0', 'IMS[0]', 'IRTE 9', '3'],
      ['dsa0', 'IMS[1]', 'IRTE 10', '5'],
      ['nic0', 'IMS[0]', 'IRTE 11', 'none'],
      ['nic0', 'IMS[1]', 'IRTE 12', 'none'],
    ]);
    const formats = rowsOf('interrupts', 'remapping').map((row) => row[1]);
    expect(formats.slice(9)).toEqual(['remapped', 'posted', 'remapped', 'remapped']);
    expect(rowsOf('posted-interrupts')[0]?.[3]).toBe('vm0.vcpu0');
  });

  it('name the clients of each portal', () => {
    const limited = rowsOf('portals').filter((row) => row[2] === 'limited MSI-X');
    expect(limited.map((row) => row[4])).toEqual([
      'app',
      'VDEV …000001 of dpdk',
      'VDEV …000002 of vm0',
      'VDEV …000003 of qemu',
    ]);
  });

  it('count the cost of both ways of sharing', () => {
    expect(rowsOf('sharing-cost').slice(0, 3)).toEqual([
      ['Tenants', '2', '2'],
      ['Requester IDs, context entries', '2', '0'],
      ['Configuration space in hardware', '8 KiB', '0 B'],
    ]);
    expect(rowsOf('packets').map((row) => [row[2], row[3], row[7]])).toEqual([
      ['nic0/qp0', 'nic0/qp1', 'delivered'],
    ]);
    const qat = rowsOf('rings').filter((row) => row[0]?.startsWith('qat0') === true);
    expect(qat.map((row) => [row[0], row[1], row[7]])).toEqual([
      ['qat0/rp0', 'request', 'running'],
      ['qat0/rp0', 'response', 'running'],
      ['qat0/rp1', 'request', 'halted'],
      ['qat0/rp1', 'response', 'halted'],
    ]);
  });

  it('show the registers of each class of device', () => {
    const registers = (unit: string): readonly string[] =>
      scene
        .show('device-registers', { unit })
        .sections.flatMap((s) =>
          s.kind === 'table' ? s.rows.map((row) => (textsOf(row)[1] ?? '').replace(/:.*/, '')) : [],
        );
    expect(registers('dsa0')).toContain('GENCAP');
    expect(registers('nic0')).toContain('Q_PASID');
    expect(registers('qat0')).toContain('RING_PAIR_PASID');
  });
});

describe('software objects', () => {
  it('show a VDEV as the guest sees it and what of it is trapped', () => {
    const model = scene.show('vdev', { filter: uuidOf(2) });
    const bars = sectionOf(model, 'table', `bars-${uuidOf(2)}`).rows.map(textsOf);
    expect(bars.map((row) => [row[0], row[3], row[4]])).toEqual([
      ['BAR0', 'Registers: capabilities, command, queue, vectors', 'trapped'],
      ['BAR0', 'Rest of the registers', 'trapped'],
      ['BAR2', 'Unlimited portal', 'trapped'],
      ['BAR2', 'Limited portal', 'direct'],
    ]);
    const exits = sectionOf(model, 'table', `exits-${uuidOf(2)}`).rows.map(textsOf);
    expect(exits.map((row) => row[0])).toContain('30 I/O instruction');
    const tree = sectionOf(model, 'tree') as TreeSection;
    expect(tree.nodes.map((node) => node.title)).toContain('[0x110] Page Request Interface');
    expect(fieldOf(pathTo(tree.nodes, /Command/), 'BME')?.value).toBe('1');
  });

  it('place every device file in the state machine', () => {
    const states = rowsOf('vfio', 'device-states');
    expect(states.find((row) => row[0] === 'attached')?.[3]).toBe('dpdk:4, qemu-vm0:5, qemu:4');
    const own = sectionOf(scene.show('vfio', { filter: 'app' }), 'table', 'files').rows;
    expect(own.map(textsOf)).toEqual([['app', '3', 'work queue', 'dsa wq0.0', 'PASID 2']]);
  });

  it('list domains with attachments and mappings', () => {
    const { rows } = sectionOf(scene.show('domains'), 'table', 'domains');
    const vm = rows.find((row) => textsOf(row)[5] === '6a:01.0 PASID 5');
    expect(vm === undefined ? [] : textsOf(vm).slice(1, 4)).toEqual([
      'unmanaged',
      'second-stage',
      '7',
    ]);
    const mappings = vm?.detail?.find((s) => s.kind === 'table');
    expect(mappings?.rows.length).toBeGreaterThan(1);
  });

  it('say who reaches which memory, and that nobody shares', () => {
    const rows = rowsOf('isolation');
    const owner = (name: string): readonly string[] | undefined => rows.find((r) => r[0] === name);
    expect(owner('app')?.slice(2, 6)).toEqual([
      '2',
      'P=1, PGTT first-stage, DID 1',
      '16 KiB',
      'alone',
    ]);
    expect(owner('vm0')?.[2]).toBe('5');
    expect(rows.filter((row) => row[5] === 'shared with others')).toEqual([]);
  });

  it('draw tenants above the queues they submit to', () => {
    const { nodes, edges } = sectionOf(scene.show('topology'), 'topology') as TopologySection;
    const title = (id: string): string | undefined => nodes.find((n) => n.id === id)?.title;
    const portals = edges.filter((e) => e.label === 'portal');
    expect(portals.map((e) => [title(e.from), title(e.to)])).toEqual([
      ['app', 'wq0'],
      ['VDEV …000001', 'wq1'],
      ['VDEV …000002', 'wq2'],
      ['VDEV …000003', 'wq3'],
    ]);
    expect(nodes.find((n) => n.title === 'VDEV …000002')?.parent).toBe('vm-vm0');
    expect(nodes.find((n) => n.title === 'nic0-vf0')?.parent).toBe('device-15104');
  });
});

describe('the 2019 profile', () => {
  it('has containers and groups with their states', () => {
    const old = bootScene(['queues', 'vdev'], { profile: 'kvmforum2019' });
    const model = old.show('vfio');
    const here = (id: string): readonly string[] =>
      sectionOf(model, 'table', id)
        .rows.map(textsOf)
        .filter((row) => row[3] !== '—')
        .map((row) => row[0] ?? '');
    expect(here('container-states')).toEqual(['READY']);
    expect(here('group-states')).toEqual(['IN_USE']);
    const [range] = sectionOf(model, 'table', 'ranges').rows.map(textsOf);
    expect(range?.slice(3)).toEqual(['64 KiB', 'RW']);
  });
});
