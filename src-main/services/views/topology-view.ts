/**
 * A drawing of the machine: who submits work (VMs, processes, their VDEVs), which queues of which devices take it, and the
 * way of the DMA through the IOMMU to memory.
 */
import type { TopologyNode, TopologySection, ViewModel } from '../../protocol/views.ts';
import type { Machine, PcieFunction } from '../../sim/index.ts';
import { deviceQueues } from './device-facts.ts';
import { text } from './plain-data.ts';
import { formatBytes, formatRid, ridRef } from './sections.ts';
import {
  listOf,
  numberOf,
  openFiles,
  published,
  queueOfVdev,
  vdevs,
  type VdevFact,
} from './software-objects.ts';
import { contextEntries, rootTable } from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';

type Edge = TopologySection['edges'][number];

interface Drawing {
  readonly nodes: TopologyNode[];
  readonly edges: Edge[];
}

const DEVICE = 'device-';

function deviceId(rid: number): string {
  return `${DEVICE}${rid}`;
}

function queueId(name: string): string {
  return `queue-${name}`;
}

function platform(machine: Machine, { nodes, edges }: Drawing): void {
  const root = rootTable(machine);
  nodes.push(
    {
      id: 'iommu',
      kind: 'iommu',
      title: machine.unit.name,
      subtitle:
        root === undefined
          ? 'no root table'
          : `${root.isScalable ? 'scalable mode' : 'legacy mode'}${root.isEnabled ? '' : ', remapping off'}`,
      tone: root?.isEnabled === true ? 'good' : 'muted',
      refs: { unit: machine.unit.name },
      link: { view: 'pasid-table', label: 'PASID tables' },
    },
    {
      id: 'memory',
      kind: 'memory',
      title: 'Memory',
      subtitle: formatBytes(machine.config.memory.bytes),
      link: { view: 'memory', label: 'Memory' },
    },
    {
      id: 'cpus',
      kind: 'cpu',
      title: machine.config.cpus === 1 ? '1 CPU' : `${machine.config.cpus} CPUs`,
      subtitle: machine.config.kernelProfile,
      link: { view: 'interrupts', label: 'Interrupts' },
    },
  );
  edges.push(
    { id: 'iommu-memory', from: 'iommu', to: 'memory', label: 'translated DMA' },
    { id: 'iommu-cpus', from: 'iommu', to: 'cpus', label: 'interrupts', isDashed: true },
  );
}

/** Physical functions by the names of their virtual ones. */
function physicalFunctions(machine: Machine): ReadonlyMap<number, number> {
  const all = published(machine, 'pci/');
  return new Map(
    all.flatMap(({ state }) => {
      const parent = all.find(({ name }) => name === text(state, 'physfn'));
      return parent === undefined
        ? []
        : [[numberOf(state, 'rid'), numberOf(parent.state, 'rid')] as const];
    }),
  );
}

function deviceNodes(
  rid: number,
  device: PcieFunction,
  drawing: Drawing,
  facts: { readonly hasContext: boolean; readonly parent: number | undefined },
): void {
  const id = deviceId(rid);
  drawing.nodes.push({
    id,
    kind: 'device',
    title: device.name,
    subtitle: formatRid(rid),
    refs: { rid: ridRef(rid), unit: device.name },
    tone: facts.hasContext ? 'neutral' : 'muted',
    link: { view: 'pci-config', params: { rid: ridRef(rid) }, label: 'Configuration space' },
    ...(facts.parent === undefined ? {} : { parent: deviceId(facts.parent) }),
  });
  if (facts.parent === undefined) {
    drawing.edges.push({ id: `${id}-iommu`, from: id, to: 'iommu' });
  }
  for (const queue of deviceQueues(device)) {
    drawing.nodes.push({
      id: queueId(queue.name),
      kind: 'queue',
      title: queue.title,
      subtitle: queue.subtitle,
      parent: id,
      tone: queue.isHalted === true ? 'fault' : queue.isEnabled ? 'good' : 'muted',
      refs: {
        queue: queue.name,
        unit: device.name,
        ...(queue.pasid === undefined ? {} : { pasid: queue.pasid }),
      },
      link: queue.name.includes('/wq')
        ? { view: 'work-queues', params: { queue: queue.name }, label: 'Work queue' }
        : { view: 'rings', label: 'Rings' },
    });
  }
}

function tenantNodes(machine: Machine, { nodes, edges }: Drawing): void {
  const vms = published(machine, 'vm/');
  const vmms = new Set(vms.map(({ state }) => text(state, 'process')));
  for (const { name, state } of vms) {
    const vcpus = listOf(state, 'vcpus').length;
    nodes.push({
      id: `vm-${name}`,
      kind: 'vm',
      title: name,
      subtitle: `${formatBytes(numberOf(state, 'memoryBytes'))}, ${vcpus === 1 ? '1 vCPU' : `${vcpus} vCPUs`}`,
      link: { view: 'ept', params: { unit: name }, label: 'Memory of the VM' },
    });
  }
  for (const { name, state } of published(machine, 'process/')) {
    if (vmms.has(name) || state['isAlive'] === false) continue;
    const pasid = state['pasid'];
    nodes.push({
      id: `process-${name}`,
      kind: 'process',
      title: name,
      subtitle: pasid === null ? 'process' : `process, PASID ${String(pasid)}`,
      ...(typeof pasid === 'number' ? { refs: { pasid } } : {}),
      link: { view: 'vfio', params: { filter: name }, label: 'File descriptors' },
    });
  }
  for (const { process, fd, state } of openFiles(machine)) {
    if (state['kind'] !== 'wq') continue;
    const queue = nodes.find((n) => n.kind === 'queue' && isWq(n, text(state, 'wq') ?? ''));
    if (queue === undefined) continue;
    edges.push({
      id: `fd-${process}-${fd}`,
      from: `process-${process}`,
      to: queue.id,
      label: 'portal',
    });
  }
}

/** `wq0.2` is work queue 2 of the accelerator that the driver numbers 0. */
function isWq(node: TopologyNode, wq: string): boolean {
  const [device = '', index = ''] = wq.replace('wq', '').split('.');
  return node.refs?.queue?.endsWith(`${device}/wq${index}`) === true;
}

function vdevNode(machine: Machine, fact: VdevFact, { nodes, edges }: Drawing): void {
  const id = `mdev/${fact.uuid}`;
  const owner = fact.vm === undefined ? `process-${fact.process ?? ''}` : `vm-${fact.vm}`;
  const hasOwner = nodes.some((node) => node.id === owner);
  const pasids = fact.vdev?.['pasids'];
  const pasid: unknown = Array.isArray(pasids) ? pasids[0] : undefined;
  nodes.push({
    id,
    kind: 'mdev',
    title: `VDEV ${fact.label}`,
    subtitle: (text(fact.mdev, 'type') ?? 'mdev').replace(/^idxd-/, ''),
    tone: fact.process === undefined ? 'muted' : 'neutral',
    ...(hasOwner ? { parent: owner } : {}),
    ...(typeof pasid === 'number' ? { refs: { pasid } } : {}),
    link: { view: 'vdev', params: { filter: fact.uuid }, label: 'VDEV' },
  });
  const queue = queueOfVdev(fact);
  if (queue !== undefined && nodes.some((node) => node.id === queueId(queue))) {
    edges.push({ id: `${id}-queue`, from: id, to: queueId(queue), label: 'portal' });
    return;
  }
  const parent = text(fact.mdev, 'parent') ?? '';
  const device = [...machine.fabric.functions()].find(
    ([rid, d]) => parent.includes(formatRid(rid)) || parent === d.name,
  );
  if (device !== undefined) {
    edges.push({
      id: `${id}-parent`,
      from: id,
      to: deviceId(device[0]),
      label: 'shares',
      isDashed: true,
    });
  }
}

export function topologyView({ machine }: ViewContext): ViewModel {
  const drawing: Drawing = { nodes: [], edges: [] };
  const root = rootTable(machine);
  const contexts = root === undefined ? [] : contextEntries(machine, root);
  const parents = physicalFunctions(machine);
  for (const [rid, device] of machine.fabric.functions()) {
    deviceNodes(rid, device, drawing, {
      hasContext: contexts.some((c) => c.rid === rid),
      parent: parents.get(rid) ?? machine.fabric.portAbove(rid),
    });
  }
  platform(machine, drawing);
  tenantNodes(machine, drawing);
  for (const fact of vdevs(machine)) {
    vdevNode(machine, fact, drawing);
  }
  return {
    view: 'topology',
    title: 'Topology',
    subtitle: machine.config.name,
    sections: [{ kind: 'topology', id: 'topology', ...drawing }],
  };
}
