/**
 * `iommufd_fault`: page faults of devices for a VMM (drivers/iommu/iommufd/eventq.c). Reading gives faults, writing answers
 * them by cookie. What was not answered when a device leaves is answered Invalid.
 */
import { IommuHwptPageResponse, IommuHwptPgfault } from '../../spec/vfio/iommufd-structures.ts';
import { IOMMUFD_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { OpenFile } from '../core/files.ts';
import { decodeBytes, encodeBytes } from '../core/user-argument.ts';
import { EINVAL, ESPIPE } from '../errno.ts';
import type { FaultGroup } from '../iommu/fault-group.ts';

interface Pending {
  readonly cookie: number;
  readonly group: FaultGroup;
  /** Device id and PASID as the reader knows them. */
  readonly devId: number;
  readonly pasid: number;
  /** Device the faults came from, to answer them when it leaves. */
  readonly owner: object;
}

export class FaultQueue {
  /** Told when faults arrive, as poll() would be. */
  onFault: (() => void) | null = null;
  #waiting: Pending[] = [];
  readonly #unanswered = new Map<number, Pending>();
  #nextCookie = 1;

  get waiting(): number {
    return this.#waiting.length;
  }

  get unanswered(): number {
    return this.#unanswered.size;
  }

  push(group: FaultGroup, devId: number, pasid: number, owner: object): void {
    this.#waiting.push({ cookie: this.#nextCookie++, group, devId, pasid, owner });
    this.onFault?.();
  }

  /** Whole groups that fit into so many records. */
  take(records: number): readonly Uint8Array[] {
    const out: Uint8Array[] = [];
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || out.length + next.group.faults.length > records) {
        return out;
      }
      this.#waiting.shift();
      this.#unanswered.set(next.cookie, next);
      out.push(...next.group.faults.map((fault) => encodeFault(fault, next)));
    }
  }

  /** -EINVAL for an unknown cookie or a code that is neither success nor invalid. */
  answer(cookie: number, code: number): number {
    const pending = this.#unanswered.get(cookie);
    const isKnown = code === F.IOMMUFD_PAGE_RESP_SUCCESS || code === F.IOMMUFD_PAGE_RESP_INVALID;
    if (pending === undefined || !isKnown) {
      return -EINVAL;
    }
    this.#unanswered.delete(cookie);
    pending.group.respond(
      code === F.IOMMUFD_PAGE_RESP_SUCCESS
        ? PAGE_RESPONSE_CODE.success
        : PAGE_RESPONSE_CODE.invalidRequest,
      'answered by user space',
    );
    return 0;
  }

  /** Everything of a device, read or not, is answered Invalid. */
  release(owner?: object): void {
    const isOwned = (p: Pending): boolean => owner === undefined || p.owner === owner;
    const gone = [
      ...this.#waiting.filter(isOwned),
      ...[...this.#unanswered.values()].filter(isOwned),
    ];
    this.#waiting = this.#waiting.filter((p) => !isOwned(p));
    for (const pending of gone) {
      this.#unanswered.delete(pending.cookie);
      pending.group.respond(PAGE_RESPONSE_CODE.invalidRequest, 'the device was detached');
    }
  }
}

function encodeFault(fault: FaultGroup['faults'][number], pending: Pending): Uint8Array {
  const hasPasid = pending.pasid >= 0;
  return encodeBytes(IommuHwptPgfault, {
    flags:
      (hasPasid ? F.IOMMU_PGFAULT_FLAGS_PASID_VALID : 0) |
      (fault.isLast ? F.IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0),
    dev_id: pending.devId,
    pasid: hasPasid ? pending.pasid : 0,
    grpid: fault.group,
    perm:
      (fault.isRead ? F.IOMMU_PGFAULT_PERM_READ : 0) |
      (fault.isWrite ? F.IOMMU_PGFAULT_PERM_WRITE : 0),
    addr: BigInt(fault.address),
    length: 0,
    cookie: pending.cookie,
  });
}

/** The file of a fault queue. */
export class FaultQueueFile extends OpenFile {
  /** What poll() would wake. */
  onReadable: (() => void) | null = null;
  readonly #queue: FaultQueue;

  constructor(core: Core, queue: FaultQueue, id: number) {
    super(core, `iommufd fault queue ${id}`);
    this.#queue = queue;
    queue.onFault = () => {
      this.touch();
      this.onReadable?.();
    };
  }

  override read(into: Uint8Array, position: number): number {
    if (position !== 0 || into.length % IommuHwptPgfault.bytes !== 0) {
      return -ESPIPE;
    }
    const records = this.#queue.take(into.length / IommuHwptPgfault.bytes);
    records.forEach((record, i) => into.set(record, i * IommuHwptPgfault.bytes));
    this.touch();
    return records.length * IommuHwptPgfault.bytes;
  }

  /** Responses before a bad one stay answered; their bytes are counted unless the first is bad. */
  override write(from: Uint8Array, position: number): number {
    const size = IommuHwptPageResponse.bytes;
    if (position !== 0 || from.length % size !== 0) {
      return -ESPIPE;
    }
    for (let at = 0; at < from.length; at += size) {
      const response = decodeBytes(IommuHwptPageResponse, from.subarray(at, at + size));
      const result = this.#queue.answer(response.cookie, response.code);
      if (result < 0) {
        return at === 0 ? result : at;
      }
    }
    this.touch();
    return from.length;
  }

  override state(): PlainData {
    return {
      kind: 'fault queue',
      waiting: this.#queue.waiting,
      unanswered: this.#queue.unanswered,
    };
  }
}
