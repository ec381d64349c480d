/**
 * One remapping unit (`struct intel_iommu`): its capabilities, registers, root and context tables and invalidation queue,
 * and the bring-up sequence of VT-d 5.10 sections 6.5.2, 6.6 and 7.4 in scalable mode (legacy mode where the unit has
 * nothing else).
 */
import {
  DEFAULT_PROFILE,
  decodeCapability,
  type IommuCapability,
} from '../../../spec/vtd/capability-profile.ts';
import { CAP_REG, ECAP_REG, VER_REG } from '../../../spec/vtd/registers/capability.ts';
import { RTADDR_REG, TTM } from '../../../spec/vtd/registers/global-command.ts';
import { IOMMU_ENABLED } from '../../../spec/events/linux.ts';
import { PLATFORM } from '../../../sim/index.ts';
import type { Core } from '../../core/core.ts';
import { ENODEV, ENOSPC } from '../../errno.ts';
import { compatibilityMessage, type Irqs } from '../../irq/irq.ts';
import type { PageAllocator } from '../../mm/page-allocator.ts';
import { ContextTables, type TableMode } from './context-table.ts';
import { InvalidationQueue } from './invalidation-queue.ts';
import { contextCacheGlobal, iotlbGlobal, pasidCacheGlobal } from './invalidations.ts';
import { UnitRegisters } from './unit-registers.ts';

/** Domain identifier of every first-stage and pass-through entry; 0 is not used. */
export const FLPT_DEFAULT_DID = 1;
const FIRST_PAGING_DID = 2;

export class IommuUnit {
  readonly name = 'dmar0';
  readonly capability: IommuCapability;
  readonly registers: UnitRegisters;
  readonly mode: TableMode;
  readonly contexts: ContextTables;
  readonly queue: InvalidationQueue;
  readonly core: Core;
  readonly pages: PageAllocator;
  /** Domain identifiers in use. */
  readonly #dids = new Set<number>();

  constructor(core: Core, pages: PageAllocator, registers: UnitRegisters) {
    this.core = core;
    this.pages = pages;
    this.registers = registers;
    this.capability = decodeCapability({
      version: Number(registers.value(VER_REG)),
      cap: registers.value(CAP_REG),
      ecap: registers.value(ECAP_REG),
      haw: core.hw.config.iommu.hostAddressWidth ?? DEFAULT_PROFILE.haw,
    });
    const hasScalable = core.params.scalable_mode && this.has('SMTS');
    this.mode = hasScalable ? 'scalable' : 'legacy';
    this.contexts = new ContextTables(core, pages, this.mode);
    this.queue = new InvalidationQueue({
      core,
      pages,
      registers,
      unit: this.name,
      isWide: hasScalable,
    });
  }

  /** The unit at its platform address, or undefined when no registers answer there. */
  static find(core: Core, pages: PageAllocator): IommuUnit | undefined {
    const registers = new UnitRegisters(core, PLATFORM.iommuBase);
    const version = registers.value(VER_REG);
    const isAbsent = version === 0n || version === 0xffff_ffffn;
    return isAbsent ? undefined : new IommuUnit(core, pages, registers);
  }

  has(capability: string): boolean {
    return this.capability.context.has(capability);
  }

  get isScalable(): boolean {
    return this.mode === 'scalable';
  }

  /** Requests with PASIDs are translated one by one (pasid_supported). */
  get hasPasids(): boolean {
    return this.isScalable && this.has('PASID');
  }

  /**
   * Queue, then tables; translation comes with `enableTranslation`, after the devices have their entries. A unit with CM=1
   * hears of each entry, and takes commands about PASIDs only when it knows of scalable mode.
   */
  enableQueue(): number {
    const result = this.has('QI') ? this.queue.enable() : -ENODEV;
    return result === 0 && this.has('CM') ? this.#setRoot() : result;
  }

  /** SRTP, global invalidation where the unit does not do it by itself, TE. */
  enableTranslation(): number {
    const pointer = this.#setRoot();
    if (pointer < 0) {
      return pointer;
    }
    if (!this.has('ESRTPS')) {
      this.queue.submit([
        contextCacheGlobal(),
        ...(this.isScalable ? [pasidCacheGlobal()] : []),
        iotlbGlobal(),
      ]);
    }
    const enabled = this.registers.command('TE', 'TES');
    if (enabled === 0) {
      this.core.emit(IOMMU_ENABLED, this.name, this.mode, this.contexts.root);
    }
    this.publish();
    return enabled;
  }

  #setRoot(): number {
    this.registers.write(RTADDR_REG, {
      RTA: BigInt(this.contexts.root),
      TTM: this.isScalable ? TTM.scalable : TTM.legacy,
    });
    return this.registers.command('SRTP', 'RTPS');
  }

  /** Programs one of the three event messages and lets it through; the unit's own messages are never remapped. */
  setEvent(registers: EventRegisterOffsets, irqs: Irqs, handler: () => void, name: string): number {
    const vector = irqs.allocVector(0, handler, name);
    if (vector < 0) {
      return vector;
    }
    const message = compatibilityMessage(0, vector);
    this.registers.writeAt(registers.data, 4, BigInt(message.data));
    this.registers.writeAt(registers.address, 4, BigInt(message.address));
    this.registers.writeAt(registers.upperAddress, 4, 0n);
    this.registers.writeAt(registers.control, 4, 0n);
    return 0;
  }

  allocDid(): number {
    const limit = 2 ** this.capability.domainIdWidth;
    for (let did = FIRST_PAGING_DID; did < limit; did++) {
      if (!this.#dids.has(did)) {
        this.#dids.add(did);
        return did;
      }
    }
    return -ENOSPC;
  }

  freeDid(did: number): void {
    this.#dids.delete(did);
  }

  get didsInUse(): number {
    return this.#dids.size;
  }

  publish(): void {
    this.core.publish(`iommu/unit/${this.name}`, {
      mode: this.mode,
      root: this.contexts.root,
      queue: this.queue.base,
      slots: this.queue.slots,
      version: `${this.capability.major}.${this.capability.minor}`,
    });
  }
}

export interface EventRegisterOffsets {
  readonly control: number;
  readonly data: number;
  readonly address: number;
  readonly upperAddress: number;
}
