import type { TopologyNode } from '../../../src-main/protocol/views.ts';
import type { IconName } from '../icons.ts';

export const KIND_ICONS: Readonly<Record<TopologyNode['kind'], IconName>> = {
  cpu: 'cpu',
  memory: 'memory',
  iommu: 'shield',
  'root-port': 'port',
  device: 'card',
  adi: 'slice',
  queue: 'queue',
  mdev: 'mediated',
  vm: 'vm',
  process: 'process',
};
