/**
 * I/O page faults above the hardware queue (drivers/iommu/io-pgfault.c): groups requests, finds who handles them, and sends
 * one response for each group.
 *
 * Handling happens some time after the interrupt, as on a workqueue; a drain runs what is waiting at once.
 */
import { PAGE_REQUEST_ANSWERED } from '../../spec/events/linux.ts';
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { Core } from '../core/core.ts';
import type { IommuDomain } from './domain.ts';
import { secondStageProblem } from './nested-fault.ts';
import type { FaultGroup, PageFault, PageResponseCode } from './fault-group.ts';

export interface IopfPorts {
  /** Domain that takes faults of a function and PASID. */
  domainOf(rid: number, pasid: number): IommuDomain | undefined;
  respond(fault: PageFault, code: PageResponseCode): void;
}

/** From the interrupt to the repaired page table, without the pages. */
const SERVICE_NS = 20_000;
const PAGE_NS = 2_000;

interface PendingGroup extends FaultGroup {
  readonly timer: number;
  run(): void;
}

export class Iopf {
  readonly #core: Core;
  readonly #ports: IopfPorts;
  /** Requests of groups that are not complete. */
  #partial: PageFault[] = [];
  #pending: PendingGroup[] = [];

  constructor(core: Core, ports: IopfPorts) {
    this.#core = core;
    this.#ports = ports;
  }

  get pendingGroups(): number {
    return this.#pending.length;
  }

  /** iommu_report_device_fault */
  report(fault: PageFault): void {
    if (!fault.isLast) {
      this.#partial.push(fault);
      return;
    }
    const isSame = (f: PageFault): boolean =>
      f.rid === fault.rid && f.pasid === fault.pasid && f.group === fault.group;
    const faults = [...this.#partial.filter(isSame), fault];
    this.#partial = this.#partial.filter((f) => !isSame(f));
    const domain = this.#ports.domainOf(fault.rid, fault.pasid);
    if (domain === undefined || domain.iopf_handler === null) {
      this.respond(fault, PAGE_RESPONSE_CODE.invalidRequest, 'nobody handles faults of this PASID');
      return;
    }
    this.#queue(faults, fault, domain);
  }

  /** Answers one request at once. */
  respond(fault: PageFault, code: PageResponseCode, why: string): void {
    const seq = this.#core.emit(
      PAGE_REQUEST_ANSWERED,
      fault.rid,
      fault.pasid,
      fault.group,
      code,
      why,
    );
    this.#core.hw.within(seq, () => this.#ports.respond(fault, code));
  }

  /** Queue overflow: groups whose last request may be lost are given up (iopf_queue_discard_partial). */
  discardPartial(): void {
    this.#partial = [];
  }

  /** Handles what waits for a function and PASID now. */
  flush(rid: number, pasid: number): void {
    for (const group of this.#pending.filter((g) => g.last.rid === rid && g.last.pasid === pasid)) {
      this.#core.timers.cancel(group.timer);
      group.run();
    }
  }

  #queue(faults: readonly PageFault[], last: PageFault, domain: IommuDomain): void {
    let isAnswered = false;
    const group: PendingGroup = {
      faults,
      last,
      respond: (code, why) => {
        if (!isAnswered) {
          isAnswered = true;
          this.respond(last, code, why);
        }
      },
      run: () => {
        this.#pending = this.#pending.filter((g) => g !== group);
        if (domain.iopf_handler === null) {
          group.respond(PAGE_RESPONSE_CODE.invalidRequest, 'the handler is gone');
          return;
        }
        for (const fault of faults) {
          const problem = secondStageProblem(this.#core, domain, fault);
          if (problem !== undefined) {
            this.#core.warn(`iopf of PASID ${last.pasid}: ${problem}`);
            group.respond(PAGE_RESPONSE_CODE.invalidRequest, problem);
            return;
          }
        }
        if (domain.iopf_handler(group) < 0) {
          this.#core.warn(`iopf of PASID ${last.pasid} aborted`);
          group.respond(PAGE_RESPONSE_CODE.responseFailure, 'the handler refused the group');
        }
      },
      timer: this.#core.timers.schedule(
        this.#core.nowNs + SERVICE_NS + PAGE_NS * faults.length,
        () => group.run(),
      ),
    };
    this.#pending.push(group);
  }
}
