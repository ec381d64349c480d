import { describe, expect, it } from 'vitest';
import type { LayoutContext } from '../../../../src-main/bits/layout.ts';
import {
  decodeCapability,
  DEFAULT_PROFILE,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import {
  descriptorType,
  inQueueWidth,
  isDescriptorValid,
  QUEUE_DESCRIPTORS,
  queueDescriptor,
} from '../../../../src-main/spec/vtd/descriptors.ts';
import { IotlbInvalidate } from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../../../src-main/spec/vtd/descriptors/queue-descriptor.ts';
import { InvalidationWait } from '../../../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import {
  interruptTableEntries,
  PostedInterruptEntry,
} from '../../../../src-main/spec/vtd/interrupt-remap-entry.ts';
import { TTM } from '../../../../src-main/spec/vtd/registers/global-command.ts';

const { context } = decodeCapability(DEFAULT_PROFILE);
const everything: LayoutContext = { has: () => true, width: () => 64 };

function without(capability: string): LayoutContext {
  return { has: (name) => name !== capability, width: () => 64 };
}

function validTypes(ttm: number, isWide: boolean, capabilities = everything): readonly number[] {
  return QUEUE_DESCRIPTORS.filter((d) =>
    isDescriptorValid(d, { ttm, isWide, context: capabilities }),
  ).map((d) => d.type);
}

describe('invalidation queue descriptors', () => {
  it('are listed by type and found by it', () => {
    expect(QUEUE_DESCRIPTORS.map((d) => d.type)).toEqual(Object.values(DESCRIPTOR_TYPE));
    expect(queueDescriptor(5)).toBe(InvalidationWait);
    expect(queueDescriptor(0)).toBeUndefined();
    expect(queueDescriptor(0x15)).toBeUndefined();
  });

  it('carry their type without being told', () => {
    for (const descriptor of QUEUE_DESCRIPTORS) {
      expect(descriptorType(descriptor.encode({}))).toBe(descriptor.type);
      expect(descriptorType(descriptor.padded.encode({}))).toBe(descriptor.type);
    }
  });

  it('have a type of seven bits in two places', () => {
    expect(descriptorType(Uint32Array.of(0xe0f, 0, 0, 0))).toBe(0x7f);
    expect(InvalidationWait.encode({ TYPE: 0x15 })[0]).toBe(0x205);
  });

  it('are all 256 bits long when padded, the padding reserved', () => {
    expect(QUEUE_DESCRIPTORS.map((d) => d.padded.bytes)).toEqual(QUEUE_DESCRIPTORS.map(() => 32));
    const words = inQueueWidth(IotlbInvalidate.encode({ G: 1 }), 32);
    expect(words.length).toBe(8);
    expect(IotlbInvalidate.padded.violations(words, context)).toEqual([]);
    words[7] = 1;
    expect(IotlbInvalidate.padded.violations(words, context).map((f) => f.name)).toEqual([
      '_padding',
    ]);
  });

  it.each([
    [TTM.legacy, false, [1, 2, 3, 4, 5]],
    [TTM.legacy, true, [1, 2, 3, 4, 5]],
    [TTM.scalable, false, []],
    [TTM.scalable, true, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [TTM.reserved, false, []],
    [TTM.reserved, true, []],
    [TTM.abortDma, false, []],
    [TTM.abortDma, true, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ])('TTM %i with wide descriptors %s accepts types %j', (ttm, isWide, expected) => {
    expect(validTypes(ttm, isWide)).toEqual(expected);
  });

  it.each([
    ['DT', [3, 8]],
    ['PRS', [9]],
    ['HPTS', [10]],
    ['IR', [4]],
  ])('without %s types %j are invalid', (capability, expected) => {
    const all = validTypes(TTM.scalable, true);
    const left = new Set(validTypes(TTM.scalable, true, without(capability)));
    expect(all.filter((t) => !left.has(t))).toEqual(expected);
  });

  it('reserve the drain flag of a wait without PDS', () => {
    const words = InvalidationWait.encode({ PD: 1 });
    expect(InvalidationWait.violations(words, context)).toEqual([]);
    expect(InvalidationWait.violations(words, without('PDS')).map((f) => f.name)).toEqual(['PD']);
  });
});

describe('interrupt messages and entries', () => {
  it.each([
    [5, 0, 0xfee0_00b8],
    [0x8005, 0, 0xfee0_00bc],
    [5, undefined, 0xfee0_00b0],
  ])('index %i with subhandle %s is sent to %i', (handle, subhandle, address) => {
    expect(remappableMessage(handle, subhandle)).toEqual({ address, data: 0 });
  });

  it('carries the subhandle in the data', () => {
    expect(remappableMessage(0x20, 3).data).toBe(3);
    expect(() => remappableMessage(0x1_0000)).toThrow(RangeError);
  });

  it('reserves descriptor address bits beyond the host address width', () => {
    const narrow: LayoutContext = { has: () => true, width: () => 39 };
    const inside = PostedInterruptEntry.encode({ PDA: (1n << 39n) - 64n });
    const outside = PostedInterruptEntry.encode({ PDA: 1n << 39n });
    expect(PostedInterruptEntry.violations(inside, narrow)).toEqual([]);
    expect(PostedInterruptEntry.violations(outside, narrow).map((f) => f.name)).toEqual(['PDA']);
  });

  it('reserves the posted mode without PI', () => {
    const words = PostedInterruptEntry.encode({ P: 1, IM: 1 });
    expect(PostedInterruptEntry.violations(words, without('PI')).map((f) => f.name)).toEqual([
      'IM',
    ]);
  });

  it('sizes the table by S', () => {
    expect(interruptTableEntries(0)).toBe(2);
    expect(interruptTableEntries(15)).toBe(65_536);
  });
});
