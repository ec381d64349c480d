// Page faults of the VMs' devices: from the host's queue into the guest's, and the guest's answers back.
import { find_vm } from 'lab/vm';
import { viommu_page_request, viommu_page_response, viommu_set_fault_ops } from 'lab/viommu';
import type { viommu_fault_group, viommu_response } from 'lab/viommu';
import { EINVAL } from 'linux/errno';
import { jiffies, mod_timer, msecs_to_jiffies, timer_delete, timer_setup } from 'linux/timer';
import type { timer_list } from 'linux/timer';

/** How long a guest may take to answer. */
const LIMIT_MS = 100;
/** Codes of page group responses. */
const SUCCESS = 0;
const INVALID = 1;

interface Waiting {
  readonly vm: string;
  readonly group: viommu_fault_group;
  readonly timer: timer_list;
}

/** Groups that wait for an answer of their guest. */
const waiting: Waiting[] = [];

/** Takes a group out of those that wait. @returns undefined for one that does not wait any more */
function take(isWanted: (one: Waiting) => boolean): viommu_fault_group | undefined {
  const at = waiting.findIndex(isWanted);
  const found = at < 0 ? undefined : waiting.splice(at, 1)[0];
  if (found !== undefined) {
    timer_delete(found.timer);
  }
  return found?.group;
}

/** Answers a group in the place of its guest. */
function refuse(name: string, cookie: number): void {
  const vm = find_vm(name);
  const group = take((one) => one.vm === name && one.group.cookie === cookie);
  if (vm === null || group === undefined) {
    return;
  }
  const rc = viommu_page_response(vm, cookie, INVALID);
  // #region solution leaves
  if (rc === -EINVAL) {
    console.log(`${name}: the host has answered group ${group.group} already`);
  }
  // #region starter
  if (rc < 0) {
    throw new Error(`Nobody waits for group ${group.group} of ${name}`);
  }
  // #endregion
  // #endregion
}

/** The host has page faults for a guest. */
function request(name: string, group: viommu_fault_group): void {
  const vm = find_vm(name);
  if (vm === null) {
    return;
  }
  const timer = timer_setup(() => {
    // #region solution timeout
    refuse(name, group.cookie);
    // #region starter
    console.log(`${name}: no answer to page request group ${group.group}`);
    // #endregion
    // #endregion
  });
  waiting.push({ vm: name, group, timer });
  mod_timer(timer, jiffies() + msecs_to_jiffies(LIMIT_MS));
  // #region solution request
  const isQueued = viommu_page_request(vm, group);
  // #region starter
  // The guest does not hear of it yet.
  const isQueued = true;
  // #endregion
  // #endregion
  if (!isQueued) {
    // #region solution full
    refuse(name, group.cookie);
    // #region starter
    // There may be room later. The group stays among those that wait.
    console.log(`${name}: no room for page request group ${group.group}`);
    // #endregion
    // #endregion
  }
}

/** A guest has answered a group. */
function response(name: string, answer: viommu_response): void {
  const vm = find_vm(name);
  // #region solution own
  const isMeant = ({ vm: owner, group }: Waiting): boolean =>
    owner === name && group.pasid === answer.pasid && group.group === answer.group;
  // #region starter
  // A guest has a PASID for each of its programs.
  const isMeant = ({ group }: Waiting): boolean => group.pasid === answer.pasid;
  // #endregion
  // #endregion
  const group = take(isMeant);
  if (vm === null || group === undefined) {
    return;
  }
  // #region solution answer
  viommu_page_response(vm, group.cookie, answer.code === SUCCESS ? SUCCESS : INVALID);
  // #region starter
  // The answer has the number of the group, and a code.
  viommu_page_response(vm, answer.group, answer.code);
  // #endregion
  // #endregion
}

for (const name of ['red', 'blue']) {
  const vm = find_vm(name);
  if (vm !== null) {
    viommu_set_fault_ops(vm, {
      request: (group) => request(name, group),
      response: (answer) => response(name, answer),
    });
  }
}
