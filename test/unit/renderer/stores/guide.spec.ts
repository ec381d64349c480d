import { beforeEach, describe, expect, it } from 'vitest';
import type { GuideBlock } from '../../../../src-main/protocol/lab-api.ts';
import { useGuideStore } from '../../../../src-renderer/stores/guide.ts';
import { useSessionStore } from '../../../../src-renderer/stores/session.ts';
import { createTestBed } from '../support/render.ts';

const LAB = '070-pasid-isolation';

describe('guide store', () => {
  beforeEach(async () => {
    createTestBed();
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
  });

  function hint(id: string): Extract<GuideBlock, { kind: 'hint' }> {
    const found = useGuideStore()
      .steps.flatMap((step) => step.blocks)
      .find((block) => block.kind === 'hint' && block.id === id);
    if (found?.kind !== 'hint') throw new Error(`no hint ${id}`);
    return found;
  }

  it('opens hints level by level', () => {
    const guide = useGuideStore();
    expect(guide.lockedBy(hint('hint-flush-1'))).toBeNull();
    expect(guide.lockedBy(hint('hint-flush-2'))?.id).toBe('hint-flush-1');
    expect(guide.lockedBy(hint('hint-flush-3'))?.id).toBe('hint-flush-1');
    guide.openHint('hint-flush-1');
    expect(guide.lockedBy(hint('hint-flush-2'))).toBeNull();
    expect(guide.lockedBy(hint('hint-flush-3'))?.id).toBe('hint-flush-2');
  });

  it('leads from a failed check to the next hint of the chain, in its step', () => {
    const guide = useGuideStore();
    guide.showHint('hint-flush-3');
    expect(guide.step?.id).toBe('attach');
    expect([...guide.openHints]).toEqual(['hint-flush-1']);
    expect(guide.revealHint).toBe('hint-flush-1');
  });

  it('remembers step, hints and predictions of a lab', async () => {
    const guide = useGuideStore();
    guide.goTo('detach');
    guide.openHint('hint-alloc-1');
    await guide.predict('predict-pgtt', 'nested');
    guide.reset();
    expect(guide.answers).toEqual({});
    guide.load(LAB);
    expect(guide.step?.id).toBe('detach');
    expect(guide.openHints.has('hint-alloc-1')).toBe(true);
    expect(guide.answers).toEqual({ 'predict-pgtt': 'nested' });
  });

  it('stays inside the steps', () => {
    const guide = useGuideStore();
    guide.move(-1);
    expect(guide.index).toBe(0);
    guide.move(1);
    guide.move(1);
    guide.move(1);
    expect(guide.step?.id).toBe('detach');
    guide.goTo('no such step');
    expect(guide.step?.id).toBe('detach');
  });

  it('survives damaged storage', () => {
    localStorage.setItem(`siov-lab:guide:${LAB}`, '{"openHints": 5, "answers": [1');
    const guide = useGuideStore();
    guide.load(LAB);
    expect(guide.index).toBe(0);
  });
});
