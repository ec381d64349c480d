/** A drawing of the machine: CPUs, memory, the IOMMU, devices with their queues, and the software objects built on them. */
import type { TopologyNode, TopologySection, ViewModel } from '../../protocol/views.ts';
import type { Machine } from '../../sim/index.ts';
import { formatBytes, formatRid, ridRef } from './sections.ts';
import { deviceQueues } from './device-facts.ts';
import { contextEntries, rootTable } from './translation-tables.ts';
import { record, text } from './plain-data.ts';
import type { ViewContext } from './view-context.ts';

type Edge = TopologySection['edges'][number];

function platformNodes(machine: Machine): TopologyNode[] {
  const root = rootTable(machine);
  return [
    {
      id: 'cpus',
      kind: 'cpu',
      title: machine.config.cpus === 1 ? '1 CPU' : `${machine.config.cpus} CPUs`,
      subtitle: machine.config.kernelProfile,
      link: { view: 'interrupts', label: 'Interrupts' },
    },
    {
      id: 'memory',
      kind: 'memory',
      title: 'Memory',
      subtitle: formatBytes(machine.config.memory.bytes),
      link: { view: 'memory', label: 'Memory' },
    },
    {
      id: 'iommu',
      kind: 'iommu',
      title: machine.unit.name,
      subtitle:
        root === undefined
          ? 'no root table'
          : `${root.isScalable ? 'scalable mode' : 'legacy mode'}${root.isEnabled ? '' : ', remapping off'}`,
      tone: root?.isEnabled === true ? 'good' : 'muted',
      link: { view: 'pasid-table', label: 'PASID tables' },
    },
  ];
}

function mdevNodes(machine: Machine): { nodes: TopologyNode[]; edges: Edge[] } {
  const nodes: TopologyNode[] = [];
  const edges: Edge[] = [];
  for (const [key, value] of machine.software.entries('mdev/')) {
    const mdev = record(value);
    const uuid = key.slice('mdev/'.length);
    if (mdev === undefined || uuid.includes('/')) {
      continue;
    }
    nodes.push({
      id: key,
      kind: 'mdev',
      title: `VDEV ${uuid.slice(0, 8)}`,
      subtitle: text(mdev, 'type') ?? 'mdev',
      link: { view: 'vdev', params: { filter: uuid }, label: 'VDEV' },
    });
    const parent = text(mdev, 'parent');
    const device = [...machine.fabric.functions()].find(
      ([rid, d]) => parent !== undefined && (parent.includes(formatRid(rid)) || parent === d.name),
    );
    if (device !== undefined) {
      edges.push({
        id: `${key}-parent`,
        from: key,
        to: `device-${device[0]}`,
        label: 'shares',
        isDashed: true,
      });
    }
  }
  return { nodes, edges };
}

export function topologyView({ machine }: ViewContext): ViewModel {
  const nodes = platformNodes(machine);
  const edges: Edge[] = [
    { id: 'cpu-memory', from: 'cpus', to: 'memory' },
    { id: 'iommu-memory', from: 'iommu', to: 'memory', label: 'translated' },
  ];
  const root = rootTable(machine);
  const contexts = root === undefined ? [] : contextEntries(machine, root);
  for (const [rid, device] of machine.fabric.functions()) {
    const id = `device-${rid}`;
    nodes.push({
      id,
      kind: 'device',
      title: device.name,
      subtitle: formatRid(rid),
      refs: { rid: ridRef(rid), unit: device.name },
      tone: contexts.some((c) => c.rid === rid) ? 'neutral' : 'muted',
      link: { view: 'pci-config', params: { rid: ridRef(rid) }, label: 'Configuration space' },
    });
    edges.push({ id: `${id}-iommu`, from: id, to: 'iommu' });
    for (const queue of deviceQueues(device)) {
      nodes.push({
        id: `queue-${queue.name}`,
        kind: 'queue',
        title: queue.title,
        subtitle: queue.subtitle,
        parent: id,
        tone: queue.isEnabled ? 'good' : 'muted',
        refs: {
          queue: queue.name,
          unit: device.name,
          ...(queue.pasid === undefined ? {} : { pasid: queue.pasid }),
        },
        link: { view: 'work-queues', params: { queue: queue.name }, label: 'Work queue' },
      });
    }
  }
  const mdevs = mdevNodes(machine);
  return {
    view: 'topology',
    title: 'Topology',
    subtitle: machine.config.name,
    sections: [
      {
        kind: 'topology',
        id: 'topology',
        nodes: [...nodes, ...mdevs.nodes],
        edges: [...edges, ...mdevs.edges],
      },
    ],
  };
}
