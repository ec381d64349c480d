import { describe, expect, it } from 'vitest';
import {
  ancestorsOf,
  conditionOf,
  followersOf,
  groupByLevel,
  missingNeeds,
} from '../../../../src-renderer/features/course/course-graph.ts';
import { renderMarkdown } from '../../../../src-renderer/features/guide/markdown.ts';
import { fuzzyScore } from '../../../../src-renderer/features/shell/fuzzy.ts';
import {
  cycleRegions,
  focusRegion,
  rememberFocus,
} from '../../../../src-renderer/features/shell/pane-focus.ts';
import { matchShortcut, shortcutText } from '../../../../src-renderer/features/shell/shortcuts.ts';
import {
  neighbourMark,
  placeMarks,
} from '../../../../src-renderer/features/timeline/scrubber-marks.ts';
import {
  paneTestId,
  parsePaneId,
  viewPaneId,
} from '../../../../src-renderer/features/workbench/pane-id.ts';
import {
  linkedViews,
  PRESETS,
  resolvePreset,
} from '../../../../src-renderer/features/workbench/presets.ts';
import { fakeCourse } from '../../../support/fake-lab/course.ts';
import { fakeLab } from '../../../support/fake-lab/lab.ts';

const { labs } = fakeCourse();

describe('course graph', () => {
  it('groups by level in order', () => {
    expect(groupByLevel(labs).map((group) => [group.level, group.labs.length])).toEqual([
      ['beginner', 4],
      ['intermediate', 6],
      ['advanced', 5],
      ['expert', 3],
    ]);
  });

  it('follows prerequisites near and far, and survives a circle', () => {
    expect([...ancestorsOf('040-compose-config-space', labs)].sort()).toEqual([
      '010-find-the-capability',
      '030-a-software-mdev',
    ]);
    const [first, second] = labs;
    if (first === undefined || second === undefined) throw new Error('no labs');
    const circle = [
      { ...first, needs: [second.id] },
      { ...second, needs: [first.id] },
    ];
    expect([...ancestorsOf(first.id, circle)]).toEqual([second.id]);
  });

  it('knows what follows and what is missing', () => {
    expect([...followersOf('030-a-software-mdev', labs)]).toEqual(['040-compose-config-space']);
    const lab = labs.find((entry) => entry.id === '040-compose-config-space');
    if (lab === undefined) throw new Error('no lab');
    expect(missingNeeds(lab, labs).map((need) => need.id)).toEqual(['030-a-software-mdev']);
    expect(conditionOf(lab, labs)).toBe('later');
  });
});

describe('markdown', () => {
  it('shows raw HTML as text', () => {
    const html = renderMarkdown('<img src=x onerror="alert(1)"> & <b>x</b>');
    expect(html).not.toContain('<img');
    expect(html).toContain('&lt;img');
  });

  it('leaves lab links to the window and drops unknown ones', () => {
    const html = renderMarkdown(
      '[a](view:iotlb?pasid=0x11) [b](term:adi) [c](javascript:x) [d](view:nothing)',
    );
    expect(html).toContain('data-lab-link="view:iotlb?pasid=0x11"');
    expect(html).toContain('class="guide-term"');
    expect(html).not.toContain('javascript:x"');
    expect(html.match(/data-lab-link/g)).toHaveLength(2);
    expect(html.match(/href="#"/g)).toHaveLength(1);
    expect(html.match(/<a /g)).toHaveLength(html.match(/<\/a>/g)?.length ?? 0);
  });

  it('takes links with brackets, as guides write events', () => {
    expect(renderMarkdown('[last fault](event:last(iommu.fault.recorded))')).toContain(
      'data-lab-link="event:last(iommu.fault.recorded)"',
    );
  });

  it('never lets quotes out of an attribute', () => {
    expect(renderMarkdown('[a](https://example.org/"onmouseover=x)')).not.toMatch(/"onmouseover/);
  });
});

describe('shortcuts', () => {
  const key = (init: KeyboardEventInit): KeyboardEvent => new KeyboardEvent('keydown', init);

  it.each([
    [{ key: 'F5' }, 'run'],
    [{ key: 'F5', shiftKey: true }, 'stop'],
    [{ key: 'F10' }, 'step-over'],
    [{ key: 'F10', shiftKey: true }, 'step-back'],
    [{ key: 'k', ctrlKey: true }, 'palette'],
    [{ key: 'K', metaKey: true }, 'palette'],
    [{ key: 'F6' }, 'next-pane'],
    [{ key: 'k' }, null],
    [{ key: 'F5', altKey: true }, null],
    [{ key: 's', ctrlKey: true, shiftKey: true }, null],
  ] as const)('matches %j', (init, expected) => {
    expect(matchShortcut(key(init))).toBe(expected);
  });

  it('writes keys as they are printed', () => {
    expect(shortcutText('step-back')).toBe('Shift+F10');
    expect(shortcutText('palette')).toBe('Ctrl+K');
  });
});

describe('pane focus', () => {
  it('cycles regions and returns to where each was left', () => {
    document.body.innerHTML = `
      <div data-region="a" tabindex="-1"><button id="a1">1</button><button id="a2">2</button></div>
      <div data-region="b" tabindex="-1"><p>nothing to focus</p></div>`;
    for (const element of document.querySelectorAll<HTMLElement>('[data-region], button')) {
      element.getClientRects = () => [new DOMRect(0, 0, 1, 1)] as unknown as DOMRectList;
    }
    document.addEventListener('focusin', rememberFocus);
    document.querySelector<HTMLElement>('#a2')?.focus();
    cycleRegions(1);
    expect((document.activeElement as HTMLElement).dataset.region).toBe('b');
    cycleRegions(1);
    expect(document.activeElement?.id).toBe('a2');
    cycleRegions(-1);
    expect((document.activeElement as HTMLElement).dataset.region).toBe('b');
    document.removeEventListener('focusin', rememberFocus);
  });

  it('falls back to the region when its last element is gone', () => {
    document.body.innerHTML = '<div id="r" data-region="r" tabindex="-1"><input id="i"></div>';
    const region = document.querySelector<HTMLElement>('#r');
    if (region === null) throw new Error('no region');
    focusRegion(region);
    expect(document.activeElement?.id).toBe('i');
  });
});

describe('timeline marks', () => {
  const state = {
    head: 1_000,
    tail: 0,
    at: 1_000,
    timeNs: 0,
    headTimeNs: 0,
    stateHash: '',
    traceHash: '',
  };

  it('shows the worst of marks that share a place, and how many there are', () => {
    const marks = placeMarks(
      {
        ...state,
        marks: [
          { event: 100, tone: 'good', title: 'done' },
          { event: 101, tone: 'fault', title: 'fault' },
          { event: 900, tone: 'warning', title: 'late' },
        ],
      },
      300,
    );
    expect(marks.map((mark) => [mark.tone, mark.title, mark.count])).toEqual([
      ['fault', 'fault', 2],
      ['warning', 'late', 1],
    ]);
  });

  it('leaves out marks that are no longer kept', () => {
    const marks = [{ event: 5, tone: 'fault' as const, title: 'old' }];
    expect(placeMarks({ ...state, tail: 50, marks }, 300)).toEqual([]);
  });

  it('finds neighbours of an instant', () => {
    const marks = [10, 20, 30].map((event) => ({ event, tone: 'good' as const, title: '' }));
    expect(neighbourMark({ ...state, marks }, 21, 'back')).toBe(10);
    expect(neighbourMark({ ...state, marks }, 21, 'forward')).toBe(30);
    expect(neighbourMark({ ...state, marks }, 31, 'forward')).toBeNull();
  });
});

describe('pane ids', () => {
  it('reads back what it writes', () => {
    expect(parsePaneId(viewPaneId('iotlb'))).toEqual({ kind: 'view', view: 'iotlb', copy: 1 });
    expect(parsePaneId(viewPaneId('iotlb', 2))).toEqual({ kind: 'view', view: 'iotlb', copy: 2 });
    expect(parsePaneId('guide')).toEqual({ kind: 'tool', tool: 'guide' });
    expect(parsePaneId('view:nothing')).toBeNull();
    expect(paneTestId('view:iotlb#2')).toBe('pane-view-iotlb-2');
  });
});

describe('presets', () => {
  it('names no view twice in one preset', () => {
    for (const [name, preset] of Object.entries(PRESETS)) {
      const views = [...preset.upper, ...preset.lower];
      expect(new Set(views).size, name).toBe(views.length);
    }
  });

  it('arranges an unknown name from what the guide points at', () => {
    const { steps } = fakeLab('x', 1, 'iommufd');
    expect(linkedViews(steps)).toEqual(['pasid-table', 'iotlb']);
    expect(resolvePreset('my own', steps).upper).toEqual(['pasid-table', 'iotlb']);
    expect(resolvePreset('my own', [])).toBe(PRESETS.default);
    expect(resolvePreset('queues', steps)).toBe(PRESETS.queues);
  });
});

describe('fuzzyScore', () => {
  it('prefers the beginning, then the inside, then scattered letters', () => {
    const beginning = fuzzyScore('pasid', 'PASID tables');
    const inside = fuzzyScore('pasid', 'Show PASID tables');
    const scattered = fuzzyScore('psd', 'Show PASID tables');
    expect(beginning).toBeGreaterThan(inside);
    expect(inside).toBeGreaterThan(scattered);
    expect(scattered).toBeGreaterThan(0);
    expect(fuzzyScore('xyz', 'Show PASID tables')).toBe(0);
    expect(fuzzyScore('tables show', 'Show PASID tables')).toBeGreaterThan(0);
  });
});
