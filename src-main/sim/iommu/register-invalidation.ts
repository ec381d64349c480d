/**
 * Register-based invalidation: CCMD_REG and IOTLB_REG with IVA_REG. VT-d 5.10 sections 6.5.1 and 11.4.6.
 *
 * Only legacy mode of units before major version 6 can use it; elsewhere the granularity reported back is 00b (error).
 */
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import {
  CCMD_REG,
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
  IOTLB_REG,
} from '../../spec/vtd/registers/register-invalidation.ts';
import type { RegisterFile, RegisterWrite } from '../core/register-file.ts';
import type { CacheInvalidation } from './cache-invalidation.ts';

/** Bit of the byte mask that holds ICC and IVT. */
const TOP_BYTE = 0x80;

export interface RegisterInvalidationContext {
  readonly isQueueEnabled: boolean;
  readonly mode: number;
}

export class RegisterInvalidation {
  readonly #registers: RegisterFile;
  readonly #capability: IommuCapability;
  readonly #caches: CacheInvalidation;
  readonly #context: () => RegisterInvalidationContext;

  constructor(
    registers: RegisterFile,
    capability: IommuCapability,
    caches: CacheInvalidation,
    context: () => RegisterInvalidationContext,
  ) {
    this.#registers = registers;
    this.#capability = capability;
    this.#caches = caches;
    this.#context = context;
  }

  /** False when the command was refused. */
  written(write: RegisterWrite): boolean {
    if ((write.byteMask & TOP_BYTE) === 0) {
      return true;
    }
    return write.register.name === CCMD_REG.name ? this.#contextCommand(write) : this.#iotlb(write);
  }

  get #isUsable(): boolean {
    const { isQueueEnabled, mode } = this.#context();
    return !this.#capability.hasQueuedInvalidationOnly && mode === TTM.legacy && !isQueueEnabled;
  }

  #contextCommand(write: RegisterWrite): boolean {
    const command = CCMD_REG.decode(write.after);
    if (command.ICC === 0) {
      return true;
    }
    let done = 0;
    if (this.#isUsable) {
      switch (command.CIRG) {
        case CONTEXT_GRANULARITY.global:
          this.#caches.contextGlobal();
          done = command.CIRG;
          break;
        case CONTEXT_GRANULARITY.domain:
          this.#caches.contextDomain(command.DID);
          done = command.CIRG;
          break;
        case CONTEXT_GRANULARITY.device:
          this.#caches.contextDevice(command.SID, command.FM, command.DID);
          done = command.CIRG;
          break;
        default:
          break;
      }
    }
    this.#registers.set(CCMD_REG.name, 'CAIG', done);
    this.#registers.set(CCMD_REG.name, 'ICC', 0);
    return done !== 0;
  }

  #iotlb(write: RegisterWrite): boolean {
    const command = IOTLB_REG.decode(write.after);
    if (command.IVT === 0) {
      return true;
    }
    const done = this.#isUsable ? this.#invalidateIotlb(command.IIRG, command.DID) : 0;
    this.#registers.set(IOTLB_REG.name, 'IAIG', done);
    this.#registers.set(IOTLB_REG.name, 'IVT', 0);
    return done !== 0;
  }

  #invalidateIotlb(granularity: number, did: number): number {
    switch (granularity) {
      case IOTLB_GRANULARITY.global:
        this.#caches.iotlbGlobal();
        return granularity;
      case IOTLB_GRANULARITY.domain:
        this.#caches.iotlbDomain(did);
        return granularity;
      case IOTLB_GRANULARITY.page: {
        const iva = this.#registers.register('IVA_REG');
        const am = Number(this.#registers.getBig(iva, 'AM'));
        const address = this.#registers.getBig(iva, 'ADDR');
        const isLeafOnly = this.#registers.getBig(iva, 'IH') === 1n;
        if (this.#capability.cap.PSI === 0 || am > this.#capability.maxAm) {
          return 0;
        }
        this.#caches.iotlbPage(did, highOfBig(address), lowOfBig(address), 12 + am, isLeafOnly);
        return granularity;
      }
      default:
        return 0;
    }
  }
}
