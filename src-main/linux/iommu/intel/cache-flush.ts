/**
 * What must be invalidated after which change (VT-d 5.10 section 6.5.3.3): the one place that knows the order IOTLB before
 * device TLB, and the granularity for each format.
 */
import type { DefenceName } from '../../../sim/index.ts';
import type { DomainAttachment, IommuDomain } from '../domain.ts';
import type { DeviceInfo } from './device-info.ts';
import type { QueueCommand } from './invalidation-queue.ts';
import {
  coveringRegion,
  deviceTlb,
  iotlbDomain,
  iotlbPages,
  pasidDeviceTlb,
  pasidIotlbAll,
  pasidIotlbPages,
  WHOLE_SPACE,
  type PageRegion,
} from './invalidations.ts';
import { FLPT_DEFAULT_DID, type IommuUnit } from './unit.ts';

type InfoOf = (dev: DeviceInfo['dev']) => DeviceInfo | undefined;

export class CacheFlush {
  readonly #unit: IommuUnit;
  readonly #infoOf: InfoOf;

  constructor(unit: IommuUnit, infoOf: InfoOf) {
    this.#unit = unit;
    this.#infoOf = infoOf;
  }

  /** Entries of [start, start + bytes) changed. `isLeafOnly`: no table page was unlinked. */
  range(domain: IommuDomain, start: number, bytes: number, isLeafOnly: boolean): number {
    return this.#flush(domain, coveringRegion(start, bytes), isLeafOnly);
  }

  /** Everything of a domain. */
  all(domain: IommuDomain): number {
    return this.#flush(domain, WHOLE_SPACE, false);
  }

  /** Device TLB of one function for one PASID, all of it. */
  deviceTlbCommands(
    info: DeviceInfo | undefined,
    pasid: number,
    region: PageRegion | typeof WHOLE_SPACE = WHOLE_SPACE,
  ): readonly QueueCommand[] {
    if (info?.dev.ats.isEnabled !== true || !this.#defends('device-tlb-flush')) {
      return [];
    }
    return [
      pasid === 0
        ? deviceTlb(info.deviceTlb, region)
        : pasidDeviceTlb(info.deviceTlb, pasid, region),
    ];
  }

  #flush(
    domain: IommuDomain,
    region: PageRegion | typeof WHOLE_SPACE,
    isLeafOnly: boolean,
  ): number {
    const iotlb = this.#defends('iotlb-flush')
      ? this.#iotlbCommands(domain, region, isLeafOnly)
      : [];
    const devices = domain.attachments.flatMap((a) =>
      this.deviceTlbCommands(
        this.#infoOf(a.dev),
        a.pasid,
        domain.isNestParent ? WHOLE_SPACE : region,
      ),
    );
    // Where a guest-physical page lies in the address spaces of guests, only they know.
    const nested = nestedUsers(domain).flatMap((a) =>
      this.deviceTlbCommands(this.#infoOf(a.dev), a.pasid),
    );
    const commands = [...iotlb, ...devices, ...nested];
    return commands.length === 0 ? 0 : this.#unit.queue.submit(commands);
  }

  #iotlbCommands(
    domain: IommuDomain,
    region: PageRegion | typeof WHOLE_SPACE,
    isLeafOnly: boolean,
  ): readonly QueueCommand[] {
    if (domain.attachments.length === 0 && nestedUsers(domain).length === 0) {
      return [];
    }
    if (domain.format === 'second-stage') {
      return [this.#secondStage(domain.did, region, isLeafOnly)];
    }
    const did = domain.type === 'nested' ? (domain.parent?.did ?? 0) : FLPT_DEFAULT_DID;
    const pasids = new Set(domain.attachments.map((a) => a.pasid));
    return [...pasids].map((pasid) =>
      region === WHOLE_SPACE
        ? pasidIotlbAll(did, pasid)
        : pasidIotlbPages(did, pasid, region, isLeafOnly),
    );
  }

  #secondStage(
    did: number,
    region: PageRegion | typeof WHOLE_SPACE,
    isLeafOnly: boolean,
  ): QueueCommand {
    const { capability } = this.#unit;
    const isTooLarge = region === WHOLE_SPACE || region.am > capability.maxAm;
    return isTooLarge || capability.cap.PSI === 0
      ? iotlbDomain(did)
      : iotlbPages(did, region, isLeafOnly);
  }

  #defends(name: DefenceName): boolean {
    return this.#unit.core.defends(name);
  }
}

/** Attachments of what guests nested on a domain. */
function nestedUsers(domain: IommuDomain): readonly DomainAttachment[] {
  return [...domain.nested].flatMap((nested) => nested.attachments);
}
