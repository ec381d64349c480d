/**
 * Virtual commands of the unit (Linux 5.10 drivers/iommu/intel/pasid.c, vcmd_alloc_pasid): a guest whose devices share a
 * host's PASID table cannot choose PASIDs by itself, so it asks its VMM. VT-d 5.10 section 11.4.16 and the encoding of
 * Rev 3.0.
 */
import {
  VCCAP_REG,
  VCMD_REG,
  VCRSP_REG,
  VIRTUAL_COMMAND,
  VIRTUAL_COMMAND_PASID_BITS,
} from '../../../spec/vtd/registers/virtual-command.ts';
import {
  VCCAP_REG_REV_3_0,
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
} from '../../../spec/vtd/registers/virtual-command-rev-3-0.ts';
import { EIO, ENOSPC, ETIMEDOUT } from '../../errno.ts';
import type { PasidAllocator } from '../pasid-pool.ts';
import type { IommuUnit } from './unit.ts';

const PASID_MASK = 2n ** BigInt(VIRTUAL_COMMAND_PASID_BITS) - 1n;
const NO_PASID_AVAILABLE: ReadonlySet<number> = new Set([2, 16]);

interface Response {
  readonly IP: number;
  readonly SC: number;
  readonly RSLT: bigint;
}

export class VirtualCommands implements PasidAllocator {
  readonly #unit: IommuUnit;

  private constructor(unit: IommuUnit) {
    this.#unit = unit;
  }

  /** Null where the unit leaves PASIDs to its own software: hardware, and VMMs of the later profile. */
  static find(unit: IommuUnit): VirtualCommands | null {
    if (unit.core.profile !== 'kvmforum2019' || !unit.has('VCS')) {
      return null;
    }
    const { registers, capability } = unit;
    const { PAS } = capability.followsRevision4
      ? registers.read(VCCAP_REG)
      : registers.read(VCCAP_REG_REV_3_0);
    return PAS === 1 ? new VirtualCommands(unit) : null;
  }

  alloc(): number {
    const response = this.#give(VIRTUAL_COMMAND.allocatePasid, 0n);
    if (typeof response === 'number') {
      return response;
    }
    if (response.SC !== 0) {
      this.#unit.core.warn(`IOMMU: no PASID of the VMM, status ${response.SC}`);
      return NO_PASID_AVAILABLE.has(response.SC) ? -ENOSPC : -EIO;
    }
    return Number(response.RSLT & PASID_MASK);
  }

  free(pasid: number): void {
    const response = this.#give(VIRTUAL_COMMAND.freePasid, BigInt(pasid));
    if (typeof response === 'number' || response.SC !== 0) {
      this.#unit.core.warn(`IOMMU: the VMM does not take PASID ${pasid} back`);
    }
  }

  #give(CMD: number, OA: bigint): Response | number {
    const { registers, core } = this.#unit;
    if (this.#isCurrent) {
      registers.write(VCMD_REG, { CMD, OA });
    } else {
      registers.write(VCMD_REG_REV_3_0, { CMD, OA });
    }
    return core.poll(() => this.#response().IP === 0, core.params.poll_timeout_ns)
      ? this.#response()
      : -ETIMEDOUT;
  }

  #response(): Response {
    const { registers } = this.#unit;
    return this.#isCurrent ? registers.read(VCRSP_REG) : registers.read(VCRSP_REG_REV_3_0);
  }

  get #isCurrent(): boolean {
    return this.#unit.capability.followsRevision4;
  }
}
