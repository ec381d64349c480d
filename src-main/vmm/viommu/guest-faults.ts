/**
 * Page faults on their way through a guest: into its virtual queue, and back as the page group response that it gives. A
 * guest that has no room, or never answers, gets an answer in its place; only its own device waits. vSVA series for Linux and QEMU, 2020.
 */
import { VIOMMU_PAGE_REQUEST } from '../../spec/events/vmm.ts';
import {
  PAGE_RESPONSE_CODE,
  PageGroupResponse,
} from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { Core } from '../../linux/core/core.ts';
import type { GuestFaultGroup, NestingBackend } from './nesting-backend.ts';
import type { VirtualPageRequests } from './virtual-page-requests.ts';

interface Waiting {
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
  /** How long a guest may take. */
  readonly answerLimitNs: number;
}

export class GuestFaults {
  readonly #parts: GuestFaultsParts;
  #waiting: Waiting[] = [];

  constructor(parts: GuestFaultsParts) {
    this.#parts = parts;
    parts.backend.onFaults = (group) => this.#inject(group);
  }

  get unanswered(): number {
    return this.#waiting.length;
  }

  /** The guest's page group response. One that nobody waits for changes nothing. */
  respond(words: Uint32Array): void {
    const { RID, PP, PASID, PRGI, RC } = PageGroupResponse.decode(words);
    const pasid = PP === 1 ? PASID : 0;
    const found = this.#waiting.find((w) => w.rid === RID && w.pasid === pasid && w.group === PRGI);
    if (found !== undefined) {
      // Response Failure would take page requests from every user of the physical function.
      const isGood = RC === PAGE_RESPONSE_CODE.success;
      this.#answer(found, isGood ? RC : PAGE_RESPONSE_CODE.invalidRequest);
    }
  }

  close(): void {
    for (const waiting of this.#waiting) {
      this.#parts.core.timers.cancel(waiting.timer);
    }
    this.#waiting = [];
  }

  #inject(group: GuestFaultGroup): void {
    const { core, vm, queue, ridOf, answerLimitNs } = this.#parts;
    const { device, pasid, faults, cookie } = group;
    const rid = ridOf(device);
    const last = faults.at(-1);
    if (rid === undefined || last === undefined) {
      this.#parts.backend.respond(cookie, PAGE_RESPONSE_CODE.invalidRequest);
      return;
    }
    const timer = core.timers.schedule(core.nowNs + answerLimitNs, () => {
      core.warn(`${vm} does not answer page request group ${last.group} of ${device}`);
      this.#answer(waiting, PAGE_RESPONSE_CODE.invalidRequest);
    });
    const waiting: Waiting = { rid, pasid, group: last.group, cookie, timer };
    this.#waiting.push(waiting);
    const seq = core.hw.emit(VIOMMU_PAGE_REQUEST, vm, device, pasid, last.address, last.group);
    const isQueued = core.hw.within(seq, () =>
      queue.push(faults.map((fault) => ({ ...fault, rid, pasid }))),
    );
    if (!isQueued) {
      core.warn(`${vm}: virtual page request queue overflow`);
      this.#answer(waiting, PAGE_RESPONSE_CODE.invalidRequest);
    }
  }

  #answer(waiting: Waiting, code: number): void {
    const { core, backend } = this.#parts;
    core.timers.cancel(waiting.timer);
    this.#waiting = this.#waiting.filter((w) => w !== waiting);
    backend.respond(waiting.cookie, code);
  }
}
