/** Numbers of event kinds: part of every trace and of its hash, so nothing but the name may decide them. */
import { describe, expect, it } from 'vitest';
import { eventCatalogue, eventKindOf } from '../../../src-main/spec/events/event.ts';
import { BUS_MASTER_DISABLED, MEMORY_STORED } from '../../../src-main/spec/events/platform.ts';

describe('the number of an event kind', () => {
  it('follows from its name, whatever was declared before', () => {
    expect(MEMORY_STORED.id).toBe(0x0446_5cf4);
    expect(BUS_MASTER_DISABLED.id).toBe(0x1d66_55b5);
  });

  it('leads back to the kind', () => {
    for (const kind of eventCatalogue()) {
      expect(eventKindOf(kind.id)).toBe(kind);
    }
    expect(eventKindOf(-1)).toBeUndefined();
  });
});
