// The host's glue between tenants and one accelerator. It works. It also has eight holes.
import {
  viommu_bind,
  viommu_bound,
  viommu_complete_wait,
  viommu_devices,
  viommu_flush,
  viommu_guest_entry,
  viommu_page_request,
  viommu_page_response,
  viommu_set_fault_ops,
  viommu_set_ops,
  viommu_unbind,
} from 'lab/viommu';
import type { viommu_command, viommu_fault_group } from 'lab/viommu';
import { find_vm, kvm_set_pasid_miss } from 'lab/vm';
import type { vm } from 'lab/vm';
import { EINVAL, EPERM } from 'linux/errno';
import { idxd_wq_disable, idxd_wq_enable, idxd_wq_set_pasid } from 'linux/idxd';
import type { vm_area_struct } from 'linux/mm';
import { jiffies, mod_timer, msecs_to_jiffies, timer_delete, timer_setup } from 'linux/timer';
import type { timer_list } from 'linux/timer';
import {
  vdcm_get_region_info,
  vdcm_mmap,
  vdcm_reset,
  vdcm_set_ops,
  vdcm_vdevs,
  vdcm_wq_enable,
  vdev_translate_pasid,
} from 'linux/vdcm';
import type { vdev } from 'linux/vdcm';
import { UUIDS } from './set-up.ts';

/** PASIDs of the host are 20 bits. */
const MAX_PASID = 0xf_ffff;
/** Codes of CMDSTATUS. */
const WQ_PASID = 0x26;
const HARDWARE = 0x03;
/** Codes of page group responses. */
const SUCCESS = 0;
const INVALID = 1;
/** How long a guest may take to answer a page request. */
const LIMIT_MS = 100;

// ---- portals ----

/** A VMM wants a page of a region in its address space. @returns 0 or a negative error number */
function mapPortal(dev: vdev, index: number, offset: number, vma: vm_area_struct): number {
  // #region solution contract
  if (dev.wq.mode === 'shared' && !dev.is_pasid_translated) {
    return -EPERM;
  }
  // #region starter
  // 8.1e: does the CPU of this VM send numbers that mean something here?
  // #endregion
  // #endregion
  // #region solution offset
  const areas = vdcm_get_region_info(dev, index)?.areas ?? [];
  if (!areas.some((area) => area.offset === offset)) {
    return -EINVAL;
  }
  // #region starter
  // 8.2a: vdcm_mmap() adds the offset to the portals of the queue.
  // #endregion
  // #endregion
  return vdcm_mmap(dev, index, offset, vma);
}

// ---- numbers ----

/** What a PASID of a tenant means on the host. @returns the host's PASID, undefined for a number that means nothing */
function lookUp(dev: vdev, guestPasid: number): number | undefined {
  const host = vdev_translate_pasid(dev, guestPasid);
  // #region solution owner
  return host < 0 ? undefined : host;
  // #region starter
  // 8.1b: a number that is not in the table, but in the range of PASIDs.
  if (host < 0) {
    return guestPasid <= MAX_PASID ? guestPasid : undefined;
  }
  return host;
  // #endregion
  // #endregion
}

/** Answers that were given, by VM and PASID. */
const answers = new Map<string, number>();

/** The CPU of a VM has no entry for a PASID. @returns the host's PASID to enter, undefined for #GP */
function miss(name: string, dev: vdev, guestPasid: number): number | undefined {
  const key = `${name} ${guestPasid}`;
  // #region solution freed
  const host = lookUp(dev, guestPasid);
  // #region starter
  // 8.7: each number is looked up once.
  const host = answers.get(key) ?? lookUp(dev, guestPasid);
  // #endregion
  // #endregion
  if (host !== undefined) {
    answers.set(key, host);
  }
  return host;
}

/** A guest gave Enable WQ, and its configuration is consistent. @returns 0 or a code for CMDSTATUS */
function enableQueue(dev: vdev): number {
  const guestPasid = dev.guest_pasid;
  if (guestPasid === null || dev.wq.mode === 'shared') {
    return vdcm_wq_enable(dev);
  }
  // #region solution register
  const host = vdev_translate_pasid(dev, guestPasid);
  if (host < 0) {
    return WQ_PASID;
  }
  // #region starter
  // 8.1d: the range is checked.
  const host = guestPasid;
  if (host > MAX_PASID) {
    return WQ_PASID;
  }
  // #endregion
  // #endregion
  idxd_wq_disable(dev.wq);
  idxd_wq_set_pasid(dev.wq, host, dev.guest_priv);
  return idxd_wq_enable(dev.wq) < 0 ? HARDWARE : 0;
}

// ---- memory of guests ----

/** A guest's entry may have come, changed or gone: the host's follows. */
function sync(target: vm, pasid: number): void {
  for (const device of viommu_devices(target)) {
    const entry = viommu_guest_entry(target, device, pasid);
    const old = viommu_bound(target).find((one) => one.device === device && one.pasid === pasid);
    if (entry !== null) {
      viommu_bind(target, entry);
    } else if (old !== undefined) {
      viommu_unbind(target, old);
    }
  }
}

function syncAll(target: vm): void {
  const known = viommu_bound(target).map(({ pasid }) => pasid);
  [...new Set([0, ...known])].forEach((pasid) => sync(target, pasid));
}

/** Pages of a guest's address space have gone, and its kernel waits until no device can reach them. */
function flush(target: vm, command: viommu_command): void {
  // #region solution flush
  for (const entry of viommu_bound(target)) {
    const isMeant =
      (command.did === undefined || entry.did === command.did) &&
      (command.pasid === undefined || entry.pasid === command.pasid);
    if (isMeant) {
      viommu_flush(target, entry, command);
    }
  }
  // #region starter
  // 8.3: the guest changed its own tables. What has the host to do with it?
  console.log(`${target.name}: ${command.type}`);
  // #endregion
  // #endregion
}

function carryOut(target: vm, command: viommu_command): void {
  switch (command.type) {
    case 'context-cache':
      syncAll(target);
      return;
    case 'pasid-cache':
      if (command.pasid === undefined) {
        syncAll(target);
      } else {
        sync(target, command.pasid);
      }
      return;
    case 'iotlb':
    case 'pasid-iotlb':
      flush(target, command);
      return;
    case 'wait':
      viommu_complete_wait(target, command);
      return;
    default:
  }
}

// ---- page requests of guests ----

interface Waiting {
  readonly target: vm;
  readonly group: viommu_fault_group;
  readonly timer: timer_list;
}

/** Groups that wait for an answer of their guest. */
const waiting: Waiting[] = [];

/** Answers a group that waits. */
function answer(isMeant: (one: Waiting) => boolean, code: number): void {
  const at = waiting.findIndex(isMeant);
  const found = at < 0 ? undefined : waiting.splice(at, 1)[0];
  if (found !== undefined) {
    timer_delete(found.timer);
    viommu_page_response(found.target, found.group.cookie, code);
  }
}

/** The time of a guest is over. */
function expired(group: viommu_fault_group): void {
  // #region solution silent
  answer((one) => one.group.cookie === group.cookie, INVALID);
  // #region starter
  // 8.9b: it will answer when it can.
  console.log(`no answer to page request group ${group.group}, cookie ${group.cookie}`);
  // #endregion
  // #endregion
}

function request(target: vm, group: viommu_fault_group): void {
  const timer = timer_setup(() => expired(group));
  waiting.push({ target, group, timer });
  mod_timer(timer, jiffies() + msecs_to_jiffies(LIMIT_MS));
  if (!viommu_page_request(target, group)) {
    expired(group);
  }
}

// ---- what the last tenant leaves ----

/** A device is reset: `isFull` by its VMM, before a tenant gets it. */
function reset(dev: vdev, isFull: boolean): void {
  // #region solution reset
  vdcm_reset(dev, isFull);
  // #region starter
  // 8.8: registers and queue are enough, and configuration space is nobody's secret.
  vdcm_reset(dev, isFull && false);
  // #endregion
  // #endregion
}

vdcm_set_ops({ mmap: mapPortal, wq_enable: enableQueue, reset });
for (const name of ['red', 'blue'] as const) {
  const target = find_vm(name);
  const dev = vdcm_vdevs().find(({ uuid }) => uuid === UUIDS[name]);
  if (target !== null && dev !== undefined) {
    kvm_set_pasid_miss(target, (guestPasid) => miss(name, dev, guestPasid));
    viommu_set_ops(target, {
      replay: () => syncAll(target),
      commands: (batch) => batch.forEach((command) => carryOut(target, command)),
    });
    viommu_set_fault_ops(target, {
      request: (group) => request(target, group),
      response: ({ pasid, group, code }) =>
        answer(
          (one) => one.target.name === name && one.group.pasid === pasid && one.group.group === group,
          code === SUCCESS ? SUCCESS : INVALID,
        ),
    });
  }
}
