/**
 * What the host has to do for each invalidation of a guest: new entries are bound, removed ones unbound,
 * cached translations of the PASIDs that the command means are dropped, device TLBs with them. vSVA series for Linux and QEMU, 2020.
 */
import {
  ContextCacheInvalidate,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../spec/vtd/descriptors/cache-descriptors.ts';
import {
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from '../../spec/vtd/descriptors/device-tlb-descriptors.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../spec/vtd/registers/register-invalidation.ts';
import type { GuestRange, NestingBackend } from './nesting-backend.ts';
import type { PasidShadow, ShadowEntry } from './pasid-shadow.ts';

const PAGE_BYTES = 4096;

export class GuestInvalidations {
  readonly #shadow: PasidShadow;
  readonly #backend: NestingBackend;

  constructor(shadow: PasidShadow, backend: NestingBackend) {
    this.#shadow = shadow;
    this.#backend = backend;
  }

  /** False for a type that is none of these; interrupts are not remapped, so their cache is nobody's. */
  execute(type: number, words: Uint32Array): boolean {
    switch (type) {
      case ContextCacheInvalidate.type:
        this.#contextCache(words);
        return true;
      case PasidCacheInvalidate.type:
        this.#pasidCache(words);
        return true;
      case PasidIotlbInvalidate.type:
        this.#pasidIotlb(words);
        return true;
      case IotlbInvalidate.type:
        this.#iotlb(words);
        return true;
      case DeviceTlbInvalidate.type:
        this.#deviceTlb(words);
        return true;
      case PasidDeviceTlbInvalidate.type:
        this.#pasidDeviceTlb(words);
        return true;
      default:
        return false;
    }
  }

  #contextCache(words: Uint32Array): void {
    const { G } = ContextCacheInvalidate.decode(words);
    if (Object.values(CONTEXT_GRANULARITY).some((g) => g === G)) {
      this.#shadow.replay();
    }
  }

  #pasidCache(words: Uint32Array): void {
    const { G, PASID } = PasidCacheInvalidate.decode(words);
    if (G === PASID_CACHE_GRANULARITY.pasid) {
      this.#shadow.sync(PASID);
    } else {
      this.#shadow.replay();
    }
  }

  #pasidIotlb(words: Uint32Array): void {
    const { G, PASID, AM, IH, ADDR } = PasidIotlbInvalidate.decode(words);
    const range = G === PASID_IOTLB_GRANULARITY.page ? regionOf(Number(ADDR), AM, IH === 1) : null;
    this.#each((e) => e.pasid === PASID, range, 'iotlb');
  }

  /** The guest has first-stage tables only: a command without PASID means every PASID of the domain. */
  #iotlb(words: Uint32Array): void {
    const { G, DID } = IotlbInvalidate.decode(words);
    const isGlobal = G === IOTLB_GRANULARITY.global;
    this.#each((e) => isGlobal || e.did === DID, null, 'iotlb');
  }

  #deviceTlb(words: Uint32Array): void {
    const { SID, S, ADDR } = DeviceTlbInvalidate.decode(words);
    this.#each((e) => e.device.rid === SID && e.pasid === 0, sizedRange(ADDR, S), 'device-tlb');
  }

  #pasidDeviceTlb(words: Uint32Array): void {
    const { SID, PASID, GI, S, ADDR } = PasidDeviceTlbInvalidate.decode(words);
    const isMeant = (e: ShadowEntry): boolean =>
      e.device.rid === SID && (GI === 1 || e.pasid === PASID);
    this.#each(isMeant, sizedRange(ADDR, S), 'device-tlb');
  }

  #each(
    isMeant: (entry: ShadowEntry) => boolean,
    range: GuestRange | null,
    what: 'iotlb' | 'device-tlb',
  ): void {
    for (const { device, pasid } of this.#shadow.entries.filter(isMeant)) {
      this.#backend.invalidate(device.name, pasid, range, what);
    }
  }
}

export function regionOf(address: number, am: number, isLeafOnly: boolean): GuestRange {
  const bytes = 2 ** am * PAGE_BYTES;
  return { address: address - (address % bytes), bytes, isLeafOnly };
}

/** With S=1 the lowest zero of the page number tells the size (VT-d 5.10 section 6.5.2.5). Null: everything. */
export function sizedRange(address: bigint, size: number): GuestRange | null {
  const page = address >> 12n;
  let am = 0;
  while (size === 1 && ((page >> BigInt(am)) & 1n) === 1n && am < 52) {
    am += 1;
  }
  const order = size === 1 ? am + 1 : 0;
  return order >= 48 ? null : regionOf(Number(address), order, true);
}
