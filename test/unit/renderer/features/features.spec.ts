import { flushPromises } from '@vue/test-utils';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTick } from 'vue';
import ChecksPane from '../../../../src-renderer/features/checks/ChecksPane.vue';
import ConsolePane from '../../../../src-renderer/features/console/ConsolePane.vue';
import CourseHome from '../../../../src-renderer/features/course/CourseHome.vue';
import GuidePane from '../../../../src-renderer/features/guide/GuidePane.vue';
import AppBanners from '../../../../src-renderer/features/shell/AppBanners.vue';
import NoticeStack from '../../../../src-renderer/features/shell/NoticeStack.vue';
import RunControls from '../../../../src-renderer/features/shell/RunControls.vue';
import TimelineStrip from '../../../../src-renderer/features/timeline/TimelineStrip.vue';
import ViewPane from '../../../../src-renderer/features/view/ViewPane.vue';
import WhyPane from '../../../../src-renderer/features/why/WhyPane.vue';
import { useFilesStore } from '../../../../src-renderer/stores/files.ts';
import { useGuideStore } from '../../../../src-renderer/stores/guide.ts';
import { useLayoutStore } from '../../../../src-renderer/stores/layout.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { useRunStore } from '../../../../src-renderer/stores/run.ts';
import { useSelectionStore } from '../../../../src-renderer/stores/selection.ts';
import { useSessionStore } from '../../../../src-renderer/stores/session.ts';
import { useTimelineStore } from '../../../../src-renderer/stores/timeline.ts';
import { useTraceStore } from '../../../../src-renderer/stores/trace.ts';
import { useViewsStore } from '../../../../src-renderer/stores/views.ts';
import { createTestBed, render, settle, type TestBed } from '../support/render.ts';

const LAB = '070-pasid-isolation';
let bed: TestBed;

async function openLab(): Promise<void> {
  await useSessionStore().start();
  await useSessionStore().openLab(LAB);
}

beforeEach(() => {
  document.body.innerHTML = '';
  bed = createTestBed({ events: 60 });
});

describe('course home', () => {
  it('has one obvious next step and a card for every lab', async () => {
    await useSessionStore().start();
    const view = render(CourseHome, bed);
    expect(view.findAll('.is-primary')).toHaveLength(1);
    expect(view.get('[data-testid="next-step"]').text()).toBe('Continue this lab');
    expect(view.findAll('[data-testid^="lab-card-"]')).toHaveLength(18);
    await view.get('[data-testid="next-step"]').trigger('click');
    await settle();
    expect(bed.client.callsOf('lab.open')).toEqual([
      { labId: '030-a-software-mdev', language: 'en' },
    ]);
  });

  it('shows what the lab in hand builds on', async () => {
    await useSessionStore().start();
    const view = render(CourseHome, bed);
    await view.get('[data-testid="lab-card-070-pasid-isolation"]').trigger('focus');
    const needed = view.findAll('.rel-needed').map((card) => card.attributes('data-testid'));
    expect(needed).toEqual([
      'lab-card-010-find-the-capability',
      'lab-card-020-vfs-versus-adis',
      'lab-card-030-a-software-mdev',
      'lab-card-040-compose-config-space',
      'lab-card-060-the-vfio-dance',
    ]);
    expect(view.get('.lab-detail').text()).toContain('The VFIO dance');
  });

  it('explains a course that cannot be loaded and offers to try again', async () => {
    bed.client.override('course.get', () => {
      throw new Error('The labs folder cannot be read');
    });
    await useSessionStore().start();
    const view = render(CourseHome, bed);
    expect(view.text()).toContain('The labs folder cannot be read');
    bed.client.restore('course.get');
    await view.get('button').trigger('click');
    await flushPromises();
    expect(view.findAll('[data-testid^="lab-card-"]')).toHaveLength(18);
  });
});

describe('run controls', () => {
  it('says Continue while paused', async () => {
    await openLab();
    const view = render(RunControls, bed);
    expect(view.get('[data-testid="run-button"]').text()).toBe('Run');
    await useRunStore().start('step');
    await nextTick();
    expect(view.get('[data-testid="run-button"]').text()).toBe('Continue');
    await view.get('[data-testid="stop-button"]').trigger('click');
    await settle();
    expect(useRunStore().run.state).toBe('stopped');
  });
});

describe('checks pane', () => {
  it('names object, expectation and finding, and leads on', async () => {
    await openLab();
    await useRunStore().start('run');
    const layout = useLayoutStore();
    const showTool = vi.spyOn(layout, 'showTool');
    const view = render(ChecksPane, bed);
    expect(view.get('[data-testid="checks-summary"]').text()).toContain('2 of 4 passed');
    const failed = view.get('[data-testid="check-own-memory"]');
    expect(failed.attributes('data-status')).toBe('fail');
    expect(failed.text()).toContain('dmar0 IOTLB.HPA');
    expect(failed.text()).toContain('0x0000000123457000');
    expect(failed.text()).toContain('Failed');

    await failed.get('[data-testid="check-event"]').trigger('click');
    await settle();
    expect(bed.client.callsOf('timeline.seek')).toEqual([{ at: 413 }]);
    await failed.get('[data-testid="check-hint"]').trigger('click');
    expect(showTool).toHaveBeenCalledWith('guide');
    expect(useGuideStore().openHints.has('hint-flush-1')).toBe(true);
    await failed
      .findAll('button')
      .find((button) => button.text() === 'Open driver.ts:9')
      ?.trigger('click');
    expect(useFilesStore().reveal).toEqual({ path: 'driver.ts', line: 9 });
  });

  it('says what to do before the first run', async () => {
    await openLab();
    expect(render(ChecksPane, bed).text()).toContain('Press Run');
  });
});

describe('guide pane', () => {
  it('renders a step without raw HTML and follows its links', async () => {
    await openLab();
    const showView = vi.spyOn(useLayoutStore(), 'showView');
    const view = render(GuidePane, bed);
    expect(view.get('h2').text()).toContain('Allocate a PASID');
    const link = view.find('[data-lab-link^="view:"]');
    await link.trigger('click');
    await settle();
    expect(showView).toHaveBeenCalledWith('pasid-table', { rid: '0x6a08' });
  });

  it('explains a term on hover and focus', async () => {
    await openLab();
    const view = render(GuidePane, bed);
    await view.get('[data-lab-link="term:adi"]').trigger('focusin');
    await nextTick();
    expect(document.querySelector('.term-card')?.textContent).toContain(
      'Assignable Device Interface',
    );
    await view.get('[data-lab-link="term:adi"]').trigger('focusout');
    expect(document.querySelector('.term-card')).toBeNull();
  });

  it('opens hints in order, and says which comes first', async () => {
    await openLab();
    const view = render(GuidePane, bed);
    const second = (): string => view.get('[data-testid="hint-hint-alloc-2"]').text();
    expect(view.get('[data-testid="hint-hint-alloc-2"] button').attributes('aria-disabled')).toBe(
      'true',
    );
    await view.get('[data-testid="hint-hint-alloc-1"] button').trigger('click');
    expect(view.get('[data-testid="hint-hint-alloc-1"]').text()).toContain('when it fails');
    expect(second()).toBe('Open hint 2');
    await view.get('[data-testid="hint-hint-alloc-2"] button').trigger('click');
    expect(second()).toContain('PASID 0 is reserved');
  });

  it('shows a question with its terms and code', async () => {
    await openLab();
    const box = render(GuidePane, bed).get('[data-testid="predict-predict-pgtt"]');
    expect(box.get('code').text()).toBe('PGTT');
    expect(box.text()).toContain('Which PGTT will the new PASID table entry have?');
    const group = box.get('[role="radiogroup"]').attributes('aria-labelledby') ?? '';
    expect(box.get(`[id="${group}"]`).text()).toContain('Which PGTT');
  });

  it('records a prediction once it is chosen', async () => {
    await openLab();
    const view = render(GuidePane, bed);
    const box = view.get('[data-testid="predict-predict-pgtt"]');
    await box.trigger('submit');
    expect(bed.client.callsOf('lab.predict')).toEqual([]);
    await box.findAll('input[type="radio"]')[1]?.setValue();
    await box.trigger('submit');
    await settle();
    expect(bed.client.callsOf('lab.predict')[0]).toMatchObject({ answer: 'second-stage' });
    expect(view.get('[data-testid="predict-predict-pgtt"]').text()).toContain(
      'You predicted second-stage',
    );
  });

  it('shows the state of checks beside steps and in the text', async () => {
    await openLab();
    await useRunStore().start('run');
    const view = render(GuidePane, bed);
    expect(view.get('[data-testid="step-allocate"]').attributes('aria-label')).toContain('passed');
    expect(view.get('[data-testid="step-attach"]').attributes('aria-label')).toContain(
      'has failed checks',
    );
    expect(view.get('[data-testid="guide-check-pasid-allocated"]').text()).toContain('Passed');
  });
});

describe('timeline strip', () => {
  it('moves by keys, from mark to mark, and back to live', async () => {
    await openLab();
    await useRunStore().start('run');
    const timeline = useTimelineStore();
    timeline.apply({
      ...timeline.timeline,
      marks: [
        { event: 10, tone: 'fault', title: 'Fault' },
        { event: 30, tone: 'good', title: 'Done' },
      ],
    });
    const view = render(TimelineStrip, bed);
    const slider = view.get('[role="slider"]');
    const asked = (): unknown => bed.client.callsOf('timeline.seek').at(-1)?.at;
    await slider.trigger('keydown', { key: 'ArrowLeft' });
    await settle();
    expect(asked()).toBe(59);
    await slider.trigger('keydown', { key: 'Home' });
    await settle();
    expect(asked()).toBe(0);
    timeline.apply({ ...timeline.timeline, marks: [{ event: 10, tone: 'fault', title: 'Fault' }] });
    await nextTick();
    await slider.trigger('keydown', { key: 'ArrowRight', ctrlKey: true });
    await settle();
    expect(asked()).toBe(11);
    expect(slider.attributes('aria-valuetext')).toBe('after 11 of 60 events');
    await view.get('[data-testid="timeline-live"]').trigger('click');
    await settle();
    expect(asked()).toBe('head');
    expect(timeline.isLive).toBe(true);
  });

  it('says what to do while nothing has happened', async () => {
    await openLab();
    const view = render(TimelineStrip, bed);
    await view.get('[data-testid="timeline-back"]').trigger('click');
    await settle();
    expect(bed.client.callsOf('timeline.step')).toEqual([]);
  });
});

describe('view pane', () => {
  it('fetches its view and passes changed parameters on', async () => {
    await openLab();
    const view = render(ViewPane, bed, { props: { view: 'page-walk', copy: 1 } });
    await settle();
    expect(view.get('h2').text()).toBe('Page walk');
    await view.get('[data-testid="param-pasid"]').setValue('18');
    await settle();
    expect(bed.client.callsOf('view.get').at(-1)).toEqual({
      view: 'page-walk',
      params: { pasid: 18 },
    });
    await view.get('[data-testid="param-address"]').setValue('zz');
    expect(view.get('[role="alert"]').text()).toContain('IOVA');
    await view.get('[data-testid="param-address"]').setValue('4000');
    await settle();
    expect(bed.client.callsOf('view.get').at(-1)?.params).toEqual({ pasid: 18, address: '0x4000' });
    await view.get('[data-testid="param-address"]').setValue('');
    await settle();
    expect(bed.client.callsOf('view.get').at(-1)?.params).toEqual({ pasid: 18 });
  });

  it('refreshes when the instant changes', async () => {
    await openLab();
    render(ViewPane, bed, { props: { view: 'iotlb', copy: 1 } });
    await settle();
    const before = bed.client.callsOf('view.get').length;
    await useTimelineStore().seek(1);
    await settle();
    expect(bed.client.callsOf('view.get').length).toBe(before + 1);
  });

  it('says what would be here when there is nothing', async () => {
    await openLab();
    const view = render(ViewPane, bed, { props: { view: 'page-requests', copy: 1 } });
    await settle();
    expect(view.text()).toContain('They appear when a device touches a page');
  });

  it('shares the selection with every other pane', async () => {
    await openLab();
    const view = render(ViewPane, bed, { props: { view: 'work-queues', copy: 1 } });
    await settle();
    await view.get('[data-row="0"]').trigger('click');
    expect(useSelectionStore().selected).toEqual({ queue: 'dsa0/wq0', pasid: 17 });
    expect(view.get('[data-row="0"]').attributes('aria-selected')).toBe('true');
  });

  it('opens a second pane of the same view at the same object', async () => {
    await openLab();
    const second = vi.spyOn(useLayoutStore(), 'showSecondView').mockImplementation(() => undefined);
    useViewsStore().setParams('view:iotlb', { pasid: 18 });
    const view = render(ViewPane, bed, { props: { view: 'iotlb', copy: 1 } });
    await settle();
    await view.get('.head .app-button').trigger('click');
    expect(second).toHaveBeenCalledWith('iotlb', { pasid: 18 });
  });
});

describe('console pane', () => {
  it('shows where a line came from, and problems alone when asked', async () => {
    await openLab();
    await useRunStore().start('run');
    const view = render(ConsolePane, bed);
    expect(view.findAll('.line').length).toBe(8);
    await view.findAll('[role="radio"]')[1]?.trigger('click');
    expect(view.findAll('.line')).toHaveLength(2);
    await view.get('.where').trigger('click');
    expect(useFilesStore().activePath).toBe('guest.ts');
  });

  it('evaluates only while paused', async () => {
    await openLab();
    const view = render(ConsolePane, bed);
    await view.get('[data-testid="console-input"]').setValue('pasid');
    await view.get('form').trigger('submit');
    expect(bed.client.callsOf('run.evaluate')).toEqual([]);
    await useRunStore().start('step');
    await view.get('[data-testid="console-input"]').setValue('pasid');
    await view.get('form').trigger('submit');
    await settle();
    expect(view.text()).toContain('pasid = 0x11');
  });
});

describe('why pane', () => {
  it('tells the chain from the effect to the script line', async () => {
    await openLab();
    const view = render(WhyPane, bed);
    expect(view.text()).toContain('press “Why?”');
    await useTraceStore().askWhy(300);
    await nextTick();
    expect(view.findAll('li')).toHaveLength(4);
    await view.findAll('.chip').at(-2)?.trigger('click');
    expect(useFilesStore().reveal).toEqual({ path: 'driver.ts', line: 9 });
    await view.get('button.link').trigger('click');
    expect(view.text()).toContain('PGTT');
  });
});

describe('banners and notices', () => {
  it('tells of a lost connection, what it means for unsent text, and how to return', async () => {
    await openLab();
    const view = render(AppBanners, bed);
    expect(view.find('[data-testid="connection-banner"]').exists()).toBe(false);
    bed.client.disconnect();
    await nextTick();
    expect(view.get('[data-testid="connection-banner"]').text()).toContain('All edits are stored');
    useFilesStore().edit('driver.ts', 'x');
    await nextTick();
    expect(view.get('[data-testid="connection-banner"]').text()).toContain('kept in this window');
    await view.get('[data-testid="connection-banner"] button').trigger('click');
    expect(view.find('[data-testid="connection-banner"]').exists()).toBe(false);
  });

  it('tells of storage problems until dismissed', async () => {
    await openLab();
    const view = render(AppBanners, bed);
    bed.client.emit('storage.problem', { message: 'Disk full.', hint: 'Free some space.' });
    await nextTick();
    const banner = view.get('[data-testid="storage-banner"]');
    expect(banner.text()).toContain('Disk full. Free some space.');
    await banner.get('button').trigger('click');
    expect(view.find('[data-testid="storage-banner"]').exists()).toBe(false);
  });

  it('removes good news by itself and keeps bad news', async () => {
    vi.useFakeTimers();
    const view = render(NoticeStack, bed);
    useNoticesStore().add({ tone: 'good', title: 'Stored' });
    useNoticesStore().addError('Failed', new Error('because'));
    await nextTick();
    expect(view.findAll('[data-testid="notice"]')).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(
      view.findAll('[data-testid="notice"]').map((notice) => notice.attributes('role')),
    ).toEqual(['alert']);
    vi.useRealTimers();
  });
});
