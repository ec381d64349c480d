import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTick } from 'vue';
import { AppError } from '../../../../src-main/protocol/app-error.ts';
import type { TraceRow } from '../../../../src-main/protocol/lab-api.ts';
import { useConsoleStore } from '../../../../src-renderer/stores/console.ts';
import { useDebugStore } from '../../../../src-renderer/stores/debug.ts';
import { useLayoutStore, type DockController } from '../../../../src-renderer/stores/layout.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { useSelectionStore } from '../../../../src-renderer/stores/selection.ts';
import { useSettingsStore } from '../../../../src-renderer/stores/settings.ts';
import { useTraceStore } from '../../../../src-renderer/stores/trace.ts';
import { useViewsStore } from '../../../../src-renderer/stores/views.ts';
import { fakeRow } from '../../../support/fake-lab/trace.ts';
import { createTestBed, settle, type TestBed } from '../support/render.ts';

let bed: TestBed;
beforeEach(() => {
  bed = createTestBed();
});
afterEach(() => void vi.useRealTimers());

describe('selection', () => {
  it('highlights the same object everywhere, and lets go when selected again', () => {
    const selection = useSelectionStore();
    selection.toggle({ rid: '0x6a08', pasid: 17 });
    expect(selection.isSelected({ pasid: 17 })).toBe(true);
    expect(selection.isSelected({ pasid: 18 })).toBe(false);
    expect(selection.isSelected(undefined)).toBe(false);
    selection.toggle({ rid: '0x6a08', pasid: 17 });
    expect(selection.selected).toBeNull();
  });

  it('ignores references that name nothing', () => {
    const selection = useSelectionStore();
    selection.select({});
    selection.toggle(undefined);
    expect(selection.selected).toBeNull();
  });
});

describe('notices', () => {
  it('shows code, message and hint of a failure as one readable text', () => {
    const notices = useNoticesStore();
    notices.addError(
      'Cannot open',
      new AppError('ERR_X', 'The lab is newer', { hint: 'Update first' }),
    );
    expect(notices.notices).toMatchObject([
      { title: 'Cannot open', text: 'The lab is newer. Update first', isSticky: true },
    ]);
  });

  it('does not repeat itself and keeps the list short', () => {
    const notices = useNoticesStore();
    for (let time = 0; time < 3; time += 1) notices.addError('Same', new Error('again'));
    expect(notices.notices).toHaveLength(1);
    for (let time = 0; time < 9; time += 1) notices.add({ tone: 'info', title: String(time) });
    expect(notices.notices.length).toBeLessThanOrEqual(4);
  });
});

describe('console', () => {
  it('keeps the newest value of each probe', () => {
    const store = useConsoleStore();
    store.append([
      { level: 'probe', text: '1', path: 'a.ts', line: 3 },
      { level: 'probe', text: '2', path: 'a.ts', line: 3 },
      { level: 'probe', text: '9', path: 'a.ts', line: 4 },
    ]);
    expect(store.probes).toEqual([
      { path: 'a.ts', line: 3, text: '2' },
      { path: 'a.ts', line: 4, text: '9' },
    ]);
  });

  it('bounds what it keeps', () => {
    const store = useConsoleStore();
    store.append(
      Array.from({ length: 6_000 }, (_, at) => ({ level: 'log' as const, text: String(at) })),
    );
    expect(store.lines).toHaveLength(5_000);
    expect(store.lines.at(-1)?.text).toBe('5999');
  });
});

describe('breakpoints', () => {
  it('learns where each really stops and remembers them by lab', async () => {
    const debug = useDebugStore();
    debug.load('lab-a');
    await debug.toggle('driver.ts', 9);
    await debug.toggle('driver.ts', 25);
    expect(debug.breakpoints).toEqual([
      { path: 'driver.ts', line: 9, stopLine: 9 },
      { path: 'driver.ts', line: 25, stopLine: null },
    ]);
    debug.reset();
    debug.load('lab-a');
    expect(debug.requested).toEqual([
      { path: 'driver.ts', line: 9 },
      { path: 'driver.ts', line: 25 },
    ]);
    await debug.toggle('driver.ts', 9);
    expect(debug.requested).toEqual([{ path: 'driver.ts', line: 25 }]);
  });

  it('follows lines that moved, and merges those that met', () => {
    const debug = useDebugStore();
    debug.load('lab-a');
    debug.replaceInFile('driver.ts', [4, 4, 7]);
    expect(debug.requested.map((point) => point.line)).toEqual([4, 7]);
  });

  it('keeps watch expressions once', () => {
    const debug = useDebugStore();
    debug.load('lab-a');
    debug.addWatch('pasid');
    debug.addWatch('pasid');
    debug.addWatch('');
    expect(debug.watches).toEqual(['pasid']);
    debug.removeWatch('pasid');
    expect(debug.watches).toEqual([]);
  });
});

describe('settings', () => {
  it('applies and remembers theme and language', async () => {
    const settings = useSettingsStore();
    settings.theme = 'contrast';
    settings.locale = 'zh-CN';
    await nextTick();
    expect(document.documentElement.dataset.theme).toBe('contrast');
    expect(document.documentElement.lang).toBe('zh-CN');
    expect(JSON.parse(localStorage.getItem('siov-lab:settings') ?? '{}')).toEqual({
      theme: 'contrast',
      locale: 'zh-CN',
      prefersTables: false,
    });
    settings.reset();
    await nextTick();
    expect(settings.activeTheme).toBe('light');
  });

  it('falls back when storage holds nonsense', () => {
    localStorage.setItem('siov-lab:settings', '{"theme":"pink","locale":7}');
    expect(useSettingsStore().theme).toBe('system');
  });
});

describe('trace', () => {
  it('finds the newest event of a kind', async () => {
    const row: TraceRow = { ...fakeRow(77), kind: 'iommu.fault.recorded' };
    bed.client.override('trace.page', ({ filter, from }) => ({
      total: filter.kinds?.[0] === row.kind ? 3 : 0,
      rows: from === 2 ? [row] : [],
    }));
    expect(await useTraceStore().lastOfKind('iommu.fault.recorded')).toBe(77);
    expect(await useTraceStore().lastOfKind('none.such')).toBeNull();
  });

  it('asks why and tells when that fails', async () => {
    const trace = useTraceStore();
    expect(await trace.askWhy(12)).toBe(true);
    expect(trace.why?.event).toBe(12);
    bed.client.override('trace.why', () => {
      throw new Error('No cause is kept');
    });
    expect(await trace.askWhy(13)).toBe(false);
    expect(useNoticesStore().notices[0]?.text).toBe('No cause is kept');
  });
});

describe('layout', () => {
  function stubDock(overrides: Partial<DockController> = {}): DockController {
    return {
      showTool: vi.fn(),
      showView: vi.fn((view: string) => `view:${view}`),
      applyPreset: vi.fn(),
      resizeActive: vi.fn(),
      toggleMaximized: vi.fn(),
      restore: vi.fn(() => true),
      serialize: () => 'saved layout',
      ...overrides,
    };
  }

  it('takes the preset when nothing is saved, the saved arrangement otherwise', async () => {
    const layout = useLayoutStore();
    const dock = stubDock();
    layout.name = 'queues';
    await layout.attach(dock);
    expect(dock.applyPreset).toHaveBeenCalledWith('queues');
    await layout.save();
    expect(bed.client.callsOf('layout.save')).toEqual([{ name: 'queues', layout: 'saved layout' }]);
    await layout.load('queues');
    expect(dock.restore).toHaveBeenCalledWith('saved layout');
  });

  it('takes the preset when the saved arrangement cannot be read', async () => {
    const layout = useLayoutStore();
    const dock = stubDock({ restore: () => false });
    await layout.attach(dock);
    await layout.save();
    await layout.load('default');
    expect(dock.applyPreset).toHaveBeenCalledTimes(2);
  });

  it('saves a change after a pause, once', async () => {
    vi.useFakeTimers();
    const layout = useLayoutStore();
    await layout.attach(stubDock());
    layout.noteChange();
    layout.noteChange();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(bed.client.callsOf('layout.save')).toHaveLength(1);
  });

  it('opens a link in the pane of its view, at its object', async () => {
    const layout = useLayoutStore();
    await layout.attach(stubDock());
    layout.openLink({ view: 'iotlb', params: { pasid: 17 }, label: 'x' });
    await settle();
    expect(useViewsStore().paramsOf('view:iotlb')).toEqual({ pasid: 17 });
  });
});
