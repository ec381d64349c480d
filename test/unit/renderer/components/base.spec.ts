import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTick } from 'vue';
import AppButton from '../../../../src-renderer/components/AppButton.vue';
import HexText from '../../../../src-renderer/components/HexText.vue';
import RefChips from '../../../../src-renderer/components/RefChips.vue';
import SegmentedControl from '../../../../src-renderer/components/SegmentedControl.vue';
import TooltipLayer from '../../../../src-renderer/components/TooltipLayer.vue';
import { hideTip } from '../../../../src-renderer/components/tip.ts';
import { createTestBed, render } from '../support/render.ts';

afterEach(() => {
  hideTip();
  vi.useRealTimers();
});

describe('AppButton', () => {
  it('does nothing when disabled, but stays reachable and says why', async () => {
    vi.useFakeTimers();
    const bed = createTestBed();
    const layer = render(TooltipLayer, bed);
    const button = render(AppButton, bed, {
      props: { label: 'Stop', icon: 'stop', disabledReason: 'Nothing is running' },
    });
    await button.trigger('click');
    expect(button.emitted('press')).toBeUndefined();
    expect(button.attributes('aria-disabled')).toBe('true');
    expect(button.attributes('disabled')).toBeUndefined();
    await button.trigger('pointerenter');
    await vi.advanceTimersByTimeAsync(400);
    expect(layer.text()).toBe('Stop\nNothing is running');
    expect(button.attributes('aria-describedby')).toBe(
      layer.get('[role="tooltip"]').attributes('id'),
    );
    window.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
    await nextTick();
    expect(layer.find('[role="tooltip"]').exists()).toBe(false);
  });

  it('is no toggle unless it says so', () => {
    const bed = createTestBed();
    expect(
      render(AppButton, bed, { props: { label: 'x' } }).attributes('aria-pressed'),
    ).toBeUndefined();
    const toggle = render(AppButton, bed, { props: { label: 'x', pressed: false } });
    expect(toggle.attributes('aria-pressed')).toBe('false');
  });

  it('has a name that begins with its visible text', () => {
    const button = render(AppButton, createTestBed(), {
      props: { label: 'Change the seed', text: 'Seed 7' },
    });
    expect(button.attributes('aria-label')).toBe('Seed 7: Change the seed');
  });
});

describe('HexText', () => {
  beforeEach(() => {
    document.body.innerHTML = '';
  });

  it('groups with gaps, not characters: copied text is the plain number', () => {
    const view = render(HexText, createTestBed(), { props: { text: 'at 0x0000000001a02440' } });
    expect(view.element.parentElement?.textContent).toBe('at 0x0000000001a02440');
    expect(view.findAll('.group').map((group) => group.text())).toEqual([
      '0000',
      '0000',
      '01a0',
      '2440',
    ]);
  });

  it('may break numbers of more than 64 bits between groups, and no others', () => {
    const draw = (text: string) => render(HexText, createTestBed(), { props: { text } });
    const long = draw(`0x${'0123'.repeat(16)}`);
    expect(long.findAll('.is-long wbr')).toHaveLength(15);
    expect(long.element.parentElement?.textContent).toBe(`0x${'0123'.repeat(16)}`);
    expect(draw(`0x${'0123'.repeat(4)}`).findAll('.is-long, wbr')).toHaveLength(0);
  });
});

describe('RefChips', () => {
  it('hands over exactly the part that was pressed', async () => {
    const view = render(RefChips, createTestBed(), {
      props: { refs: { rid: '0x6a08', pasid: 17, event: 9 } },
    });
    expect(view.findAll('button').map((chip) => chip.text().replaceAll(/\s+/g, ' '))).toEqual([
      'Select RID 6a:01.0',
      'Select PASID 17',
      'Select event #9',
    ]);
    await view.findAll('button')[1]?.trigger('click');
    expect(view.emitted('pick')).toEqual([[{ pasid: 17 }, 'pasid']]);
  });
});

describe('SegmentedControl', () => {
  it('is one tab stop, moved by arrow keys', async () => {
    const view = render(SegmentedControl, createTestBed(), {
      props: {
        modelValue: 'a',
        label: 'Show as',
        options: [
          { value: 'a', label: 'A' },
          { value: 'b', label: 'B' },
        ],
      },
    });
    expect(view.findAll('[tabindex="0"]')).toHaveLength(1);
    await view.findAll('button')[0]?.trigger('keydown', { key: 'ArrowLeft' });
    expect(view.emitted('update:modelValue')).toEqual([['b']]);
  });
});
