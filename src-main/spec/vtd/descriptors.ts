/**
 * The invalidation queue as a whole: every descriptor type, and which are valid in which mode. VT-d 5.10 section 6.5.2.
 *
 * A descriptor of 256 bits is invalid in a queue of 128-bit descriptors, and scalable and abort-DMA mode accept nothing
 * there.
 */
import type { LayoutContext } from '../../bits/layout.ts';
import {
  ContextCacheInvalidate,
  HostPermissionCacheInvalidate,
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from './descriptors/cache-descriptors.ts';
import {
  DeviceTlbInvalidate,
  PasidDeviceTlbInvalidate,
} from './descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from './descriptors/page-request-descriptors.ts';
import type { QueueDescriptor } from './descriptors/queue-descriptor.ts';
import { InvalidationWait } from './descriptors/wait-descriptor.ts';
import { TTM } from './registers/global-command.ts';

export const NARROW_DESCRIPTOR_BYTES = 16;
export const WIDE_DESCRIPTOR_BYTES = 32;

/** In the order of their types. */
export const QUEUE_DESCRIPTORS: readonly QueueDescriptor[] = [
  ContextCacheInvalidate,
  IotlbInvalidate,
  DeviceTlbInvalidate,
  InterruptEntryCacheInvalidate,
  InvalidationWait,
  PasidIotlbInvalidate,
  PasidCacheInvalidate,
  PasidDeviceTlbInvalidate,
  PageGroupResponse,
  HostPermissionCacheInvalidate,
];

const byType = new Map(QUEUE_DESCRIPTORS.map((d) => [d.type, d]));

/** Type number in the first word of a descriptor; every descriptor has it in the same place. */
export function descriptorType(words: ArrayLike<number>, offset = 0): number {
  return InvalidationWait.decode(words, offset).TYPE;
}

/** Undefined when no descriptor has this type. */
export function queueDescriptor(type: number): QueueDescriptor | undefined {
  return byType.get(type);
}

/** What decides whether a type is valid. */
export interface QueueMode {
  /** RTADDR_REG.TTM as latched. */
  readonly ttm: number;
  /** IQA_REG.DW. */
  readonly isWide: boolean;
  readonly context: LayoutContext;
}

export function isDescriptorValid(descriptor: QueueDescriptor, mode: QueueMode): boolean {
  const { ttm, isWide, context } = mode;
  if (descriptor.capability !== undefined && !context.has(descriptor.capability)) {
    return false;
  }
  if (ttm === TTM.legacy) {
    return descriptor.isLegacy;
  }
  return isWide && (ttm === TTM.scalable || ttm === TTM.abortDma);
}

/** As many words as the queue's descriptors have, the type filled in. */
export function inQueueWidth(words: Uint32Array, bytes: number): Uint32Array {
  const out = new Uint32Array(bytes / 4);
  out.set(words);
  return out;
}
