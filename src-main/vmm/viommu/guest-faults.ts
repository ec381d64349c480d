/**
 * Page faults on their way through a guest: into its virtual queue, and back as the page group response that it gives. A
 * guest that has no room, or never answers, gets an answer in its place; only its own device waits. A request that the guest's
 * unit would refuse is recorded there and answered at once (VT-d 5.10 section 7.4.1). vSVA series for Linux and QEMU, 2020.
 */
import { NO_REASON, VIOMMU_PAGE_REQUEST, VIOMMU_PAGE_RESPONSE } from '../../spec/events/vmm.ts';
import { faultReasonsOf, isFaultRecorded } from '../../spec/vtd/faults.ts';
import { FAULT_ADDRESS_TYPE, FAULT_REQUEST_TYPE } from '../../spec/vtd/registers/fault.ts';
import {
  PAGE_RESPONSE_CODE,
  PageGroupResponse,
} from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { Core } from '../../linux/core/core.ts';
import type { GuestRefusal } from './guest-tables.ts';
import type { GuestFaultGroup, NestingBackend } from './nesting-backend.ts';
import type { ShadowedDevice } from './pasid-shadow.ts';
import type { VirtualFault } from './virtual-faults.ts';
import type { VirtualPageRequests } from './virtual-page-requests.ts';

interface Waiting {
  readonly device: string;
  readonly rid: number;
  readonly pasid: number;
  readonly group: number;
  readonly cookie: number;
  readonly timer: number;
}

export interface GuestFaultsParts {
  readonly core: Core;
  readonly vm: string;
  readonly backend: NestingBackend;
  readonly queue: VirtualPageRequests;
  /** Requester ID on the guest's bus, undefined for a device that left. */
  ridOf(device: string): number | undefined;
  /** Why the guest's unit takes no page request with this PASID; undefined when it does. */
  refusalOf(device: ShadowedDevice, pasid: number): GuestRefusal | undefined;
  record(fault: VirtualFault): void;
  /** Registers of the unit are others now. */
  onChanged(): void;
  /** How long a guest may take. */
  readonly answerLimitNs: number;
}

/** The guest's answer to a group of page requests. */
export interface GuestResponse {
  readonly rid: number;
  /** The guest's number; 0 for a group without a PASID. */
  readonly pasid: number;
  readonly group: number;
  readonly code: number;
}

/** Takes faults and answers in place of the VMM; nothing of them is answered for it. */
export interface GuestFaultHandler {
  faults(group: GuestFaultGroup): void;
  response(response: GuestResponse): void;
}

export class GuestFaults {
  /** Null: the VMM does it. */
  handler: GuestFaultHandler | null = null;
  readonly #parts: GuestFaultsParts;
  #waiting: Waiting[] = [];

  constructor(parts: GuestFaultsParts) {
    this.#parts = parts;
    parts.backend.onFaults = (group) => this.#take(group);
  }

  get unanswered(): number {
    return this.#waiting.length;
  }

  /** The guest's page group response. One that nobody waits for changes nothing. */
  respond(words: Uint32Array): void {
    const { RID, PP, PASID, PRGI, RC } = PageGroupResponse.decode(words);
    const pasid = PP === 1 ? PASID : 0;
    if (this.handler !== null) {
      this.handler.response({ rid: RID, pasid, group: PRGI, code: RC });
      return;
    }
    const found = this.#waiting.find((w) => w.rid === RID && w.pasid === pasid && w.group === PRGI);
    if (found !== undefined) {
      // Response Failure would take page requests from every user of the physical function.
      const isGood = RC === PAGE_RESPONSE_CODE.success;
      this.#answer(found, isGood ? RC : PAGE_RESPONSE_CODE.invalidRequest, 'the guest');
    }
  }

  /** Queues a group for the guest. False when it does not fit, or its device left. */
  push(group: GuestFaultGroup): boolean {
    const { core, vm, queue, ridOf, onChanged } = this.#parts;
    const { device, pasid, faults } = group;
    const rid = ridOf(device);
    const last = faults.at(-1);
    if (rid === undefined || last === undefined) {
      return false;
    }
    const seq = core.hw.emit(VIOMMU_PAGE_REQUEST, vm, device, pasid, last.address, last.group);
    const requests = faults.map((fault) => ({ ...fault, rid, pasid }));
    const isQueued = core.hw.within(seq, () => queue.push(requests));
    onChanged();
    return isQueued;
  }

  close(): void {
    for (const waiting of this.#waiting) {
      this.#parts.core.timers.cancel(waiting.timer);
    }
    this.#waiting = [];
  }

  #take(group: GuestFaultGroup): void {
    const { ridOf, refusalOf } = this.#parts;
    const { device: name, pasid } = group;
    const rid = ridOf(name);
    const refusal = rid === undefined ? undefined : refusalOf({ name, rid }, pasid);
    if (rid !== undefined && refusal !== undefined) {
      this.#refuse(group, rid, refusal);
    } else if (this.handler === null) {
      this.#inject(group);
    } else {
      this.handler.faults(group);
    }
  }

  #refuse(
    { device, pasid, faults, cookie }: GuestFaultGroup,
    rid: number,
    why: GuestRefusal,
  ): void {
    const { reason, isSilent } = why;
    const isRecorded = !isSilent && faultReasonsOf(reason).some((row) => isFaultRecorded(row, 'P'));
    for (const { address } of isRecorded ? faults : []) {
      this.#parts.record({
        reason,
        rid,
        pasid: pasid === 0 ? -1 : pasid,
        address: BigInt(address),
        type: FAULT_REQUEST_TYPE.pageRequest,
        addressType: FAULT_ADDRESS_TYPE.untranslated,
        isPrivileged: false,
        isExecute: false,
      });
    }
    this.#parts.onChanged();
    const group = faults.at(-1)?.group ?? 0;
    const by =
      reason === NO_REASON ? 'the VMM: nothing is bound' : 'the VMM: the guest’s unit refuses it';
    this.#respond({ device, pasid, group, cookie }, PAGE_RESPONSE_CODE.invalidRequest, by);
  }

  #inject(group: GuestFaultGroup): void {
    const { core, vm, ridOf, answerLimitNs } = this.#parts;
    const { device, pasid, faults, cookie } = group;
    const rid = ridOf(device);
    const last = faults.at(-1);
    if (rid === undefined || last === undefined) {
      const gone = { device, pasid, group: last?.group ?? 0, cookie };
      this.#respond(gone, PAGE_RESPONSE_CODE.invalidRequest, 'the VMM: the device left');
      return;
    }
    const timer = core.timers.schedule(core.nowNs + answerLimitNs, () => {
      core.warn(`${vm} does not answer page request group ${last.group} of ${device}`);
      this.#answer(waiting, PAGE_RESPONSE_CODE.invalidRequest, 'the VMM: no answer in time');
    });
    const waiting: Waiting = { device, rid, pasid, group: last.group, cookie, timer };
    this.#waiting.push(waiting);
    if (!this.push(group)) {
      core.warn(`${vm}: virtual page request queue overflow`);
      this.#answer(waiting, PAGE_RESPONSE_CODE.invalidRequest, 'the VMM: the guest has no room');
    }
  }

  #answer(waiting: Waiting, code: number, by: string): void {
    this.#parts.core.timers.cancel(waiting.timer);
    this.#waiting = this.#waiting.filter((w) => w !== waiting);
    this.#respond(waiting, code, by);
  }

  #respond(
    group: Pick<Waiting, 'device' | 'pasid' | 'group' | 'cookie'>,
    code: number,
    by: string,
  ): void {
    const { core, vm, backend } = this.#parts;
    const { device, pasid, cookie } = group;
    const seq = core.hw.emit(VIOMMU_PAGE_RESPONSE, vm, device, pasid, group.group, code, by);
    core.hw.within(seq, () => backend.respond(cookie, code));
  }
}
