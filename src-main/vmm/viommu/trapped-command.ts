/**
 * A command of a guest's invalidation queue, read out for whoever carries it out in place of the VMM: what it means, in one
 * form for all types. VT-d 5.10 section 6.5.2.
 */
import {
  ContextCacheInvalidate,
  InterruptEntryCacheInvalidate,
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
import { InvalidationWait } from '../../spec/vtd/descriptors/wait-descriptor.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../spec/vtd/registers/register-invalidation.ts';
import { regionOf, sizedRange } from './guest-invalidations.ts';
import type { GuestRange } from './nesting-backend.ts';

/** What is absent is not limited: every domain, every PASID, the whole address space. */
export interface CommandScope {
  readonly type: TrappedType;
  readonly did?: number;
  readonly pasid?: number;
  /** Requester ID of a device of the guest. */
  readonly rid?: number;
  readonly range?: GuestRange;
}

export type TrappedType =
  | 'context-cache'
  | 'pasid-cache'
  | 'iotlb'
  | 'pasid-iotlb'
  | 'device-tlb'
  | 'pasid-device-tlb'
  | 'interrupt-entry-cache'
  | 'wait';

/** Null for what no handler gets: answers to page requests. */
export function scopeOf(type: number, words: Uint32Array): CommandScope | null {
  return SCOPES.get(type)?.(words) ?? null;
}

const SCOPES: ReadonlyMap<number, (words: Uint32Array) => CommandScope> = new Map([
  [ContextCacheInvalidate.type, contextCache],
  [PasidCacheInvalidate.type, pasidCache],
  [IotlbInvalidate.type, iotlb],
  [PasidIotlbInvalidate.type, pasidIotlb],
  [DeviceTlbInvalidate.type, deviceTlb],
  [PasidDeviceTlbInvalidate.type, pasidDeviceTlb],
  [InterruptEntryCacheInvalidate.type, () => ({ type: 'interrupt-entry-cache' })],
  [InvalidationWait.type, () => ({ type: 'wait' })],
]);

function contextCache(words: Uint32Array): CommandScope {
  const { G, DID, SID } = ContextCacheInvalidate.decode(words);
  return {
    type: 'context-cache',
    ...(G === CONTEXT_GRANULARITY.global ? {} : { did: DID }),
    ...(G === CONTEXT_GRANULARITY.device ? { rid: SID } : {}),
  };
}

function pasidCache(words: Uint32Array): CommandScope {
  const { G, DID, PASID } = PasidCacheInvalidate.decode(words);
  return {
    type: 'pasid-cache',
    ...(G === PASID_CACHE_GRANULARITY.global ? {} : { did: DID }),
    ...(G === PASID_CACHE_GRANULARITY.pasid ? { pasid: PASID } : {}),
  };
}

function iotlb(words: Uint32Array): CommandScope {
  const { G, DID, AM, IH, ADDR } = IotlbInvalidate.decode(words);
  const isPage = G === IOTLB_GRANULARITY.page;
  return {
    type: 'iotlb',
    ...(G === IOTLB_GRANULARITY.global ? {} : { did: DID }),
    ...(isPage ? { range: regionOf(Number(ADDR), AM, IH === 1) } : {}),
  };
}

function pasidIotlb(words: Uint32Array): CommandScope {
  const { G, DID, PASID, AM, IH, ADDR } = PasidIotlbInvalidate.decode(words);
  const isPage = G === PASID_IOTLB_GRANULARITY.page;
  return {
    type: 'pasid-iotlb',
    did: DID,
    pasid: PASID,
    ...(isPage ? { range: regionOf(Number(ADDR), AM, IH === 1) } : {}),
  };
}

function deviceTlb(words: Uint32Array): CommandScope {
  const { SID, S, ADDR } = DeviceTlbInvalidate.decode(words);
  return { type: 'device-tlb', rid: SID, pasid: 0, ...rangeField(sizedRange(ADDR, S)) };
}

function pasidDeviceTlb(words: Uint32Array): CommandScope {
  const { SID, PASID, GI, S, ADDR } = PasidDeviceTlbInvalidate.decode(words);
  return {
    type: 'pasid-device-tlb',
    rid: SID,
    ...(GI === 1 ? {} : { pasid: PASID }),
    ...rangeField(sizedRange(ADDR, S)),
  };
}

function rangeField(range: GuestRange | null): { readonly range?: GuestRange } {
  return range === null ? {} : { range };
}
