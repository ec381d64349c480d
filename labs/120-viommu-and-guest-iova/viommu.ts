// The VMM behind the guest's IOMMU. The guest writes tables and commands into its own memory; the real unit reads neither.
import {
  viommu_bind,
  viommu_bound,
  viommu_complete_wait,
  viommu_devices,
  viommu_flush,
  viommu_guest_entry,
  viommu_set_ops,
  viommu_unbind,
} from 'lab/viommu';
import type { viommu_command, viommu_entry } from 'lab/viommu';
import { start_vm } from 'lab/vm';
import { errname } from 'linux/errno';

const vm = start_vm('vm0');

/** What the host has nested for this PASID of this device. */
function boundEntry(device: string, pasid: number): viommu_entry | undefined {
  return viommu_bound(vm).find((entry) => entry.device === device && entry.pasid === pasid);
}

/** The guest's entry may have come, changed or gone: do the same for the host's entry. */
function sync(device: string, pasid: number): void {
  const entry = viommu_guest_entry(vm, device, pasid);
  // #region solution bind
  if (entry !== null) {
    const rc = viommu_bind(vm, entry);
    if (rc < 0) console.log(`${device} PASID ${pasid}: ${errname(rc)}`);
    return;
  }
  // #region starter
  // The guest has a table for this PASID: nest it on the VM's second stage.
  if (entry !== null) {
    return;
  }
  // #endregion
  // #endregion
  // #region solution unbind
  const old = boundEntry(device, pasid);
  if (old !== undefined) viommu_unbind(vm, old);
  // #region starter
  // The guest has none any more. Has the host?
  // #endregion
  // #endregion
}

/** PASID 0 is what a driver of the guest's kernel uses: requests without a PASID. Other PASIDs come with the next lab. */
function syncAll(): void {
  viommu_devices(vm).forEach((device) => sync(device, 0));
}

/** The guest changed entries of its paging tables, and tells its IOTLB. */
function flush(command: viommu_command): void {
  // #region solution flush
  const isMeant = (entry: viommu_entry): boolean =>
    (command.did === undefined || entry.did === command.did) &&
    (command.pasid === undefined || entry.pasid === command.pasid);
  for (const entry of viommu_bound(vm).filter(isMeant)) {
    viommu_flush(vm, entry, command);
  }
  // #region starter
  // Which of the entries in viommu_bound(vm) does the command mean? viommu_flush() drops what the host caches of one.
  // #endregion
  // #endregion
}

function carryOut(command: viommu_command): void {
  switch (command.type) {
    case 'context-cache':
    case 'pasid-cache':
      syncAll();
      return;
    case 'iotlb':
    case 'pasid-iotlb':
      flush(command);
      return;
    default:
  }
}

/** All that the guest queued before it wrote the tail. It waits for the last of them. */
function commands(batch: readonly viommu_command[]): void {
  // #region solution order
  for (const command of batch) {
    if (command.type === 'wait') {
      viommu_complete_wait(vm, command);
    } else {
      carryOut(command);
    }
  }
  // #region starter
  // A VCPU that waits costs money. Let it go on at once.
  batch.filter((c) => c.type === 'wait').forEach((c) => viommu_complete_wait(vm, c));
  batch.forEach(carryOut);
  // #endregion
  // #endregion
}

viommu_set_ops(vm, { replay: syncAll, commands });
