/** Which function makes which view. */
import { VIEW_IDS, type ViewId, type ViewModel } from '../../protocol/views.ts';
import { countersView } from './counters-view.ts';
import { eptView } from './ept-view.ts';
import { contextCacheView, iotlbView, pasidCacheView } from './iommu-cache-views.ts';
import { faultRecordsView } from './fault-records-view.ts';
import { invalidationQueueView } from './invalidation-queue-view.ts';
import { pageRequestQueueView } from './page-request-queue-view.ts';
import { registersView } from './registers-view.ts';
import { interruptsView, postedInterruptsView } from './interrupt-views.ts';
import { memoryView } from './memory-view.ts';
import { nestedWalkView } from './nested-walk-view.ts';
import { packetsView } from './packets-view.ts';
import { pageWalkView } from './page-walk-view.ts';
import { pasidTableView } from './pasid-table-view.ts';
import { pciConfigView } from './pci-config-view.ts';
import { ringsView } from './rings-view.ts';
import { sharingView } from './sharing-view.ts';
import { sysfsView } from './sysfs-view.ts';
import { vdevView } from './vdev-view.ts';
import { vfioView } from './vfio-view.ts';
import { domainsView } from './domains-view.ts';
import { ioasidView } from './ioasid-view.ts';
import { isolationView } from './isolation-view.ts';
import { pageRequestsView } from './page-requests-view.ts';
import { topologyView } from './topology-view.ts';
import type { View, ViewContext } from './view-context.ts';
import { deviceRegistersView } from './device-registers-view.ts';
import { deviceTlbView } from './device-tlb-view.ts';
import { portalsView } from './portals-view.ts';
import { viommuView } from './viommu-view.ts';
import { workQueuesView } from './work-queues-view.ts';

const VIEWS: Readonly<Record<ViewId, View>> = {
  topology: topologyView,
  'pasid-table': pasidTableView,
  'page-walk': pageWalkView,
  'nested-walk': nestedWalkView,
  'work-queues': workQueuesView,
  registers: registersView,
  'fault-records': faultRecordsView,
  'invalidation-queue': invalidationQueueView,
  'page-request-queue': pageRequestQueueView,
  'context-cache': contextCacheView,
  'pasid-cache': pasidCacheView,
  iotlb: iotlbView,
  'device-tlb': deviceTlbView,
  interrupts: interruptsView,
  'posted-interrupts': postedInterruptsView,
  'pci-config': pciConfigView,
  'device-registers': deviceRegistersView,
  portals: portalsView,
  rings: ringsView,
  packets: packetsView,
  'sharing-cost': sharingView,
  vdev: vdevView,
  vfio: vfioView,
  domains: domainsView,
  sysfs: sysfsView,
  ept: eptView,
  ioasid: ioasidView,
  'page-requests': pageRequestsView,
  isolation: isolationView,
  viommu: viommuView,
  memory: memoryView,
  counters: countersView,
};

export const AVAILABLE_VIEWS: readonly ViewId[] = VIEW_IDS;

export function makeView(view: ViewId, context: ViewContext): ViewModel {
  return VIEWS[view](context);
}
