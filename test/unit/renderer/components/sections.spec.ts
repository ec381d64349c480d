import { describe, expect, it, vi } from 'vitest';
import type { VueWrapper } from '@vue/test-utils';
import { nextTick } from 'vue';
import type {
  BytesSection,
  ObjectRefs,
  Section,
  TableSection,
  TreeSection,
  ViewLink,
  WalkSection,
} from '../../../../src-main/protocol/views.ts';
import SectionList from '../../../../src-renderer/components/sections/SectionList.vue';
import {
  SECTION_CONTEXT,
  type SectionContext,
} from '../../../../src-renderer/components/sections/section-context.ts';
import { refersToSame } from '../../../../src-renderer/format/refs.ts';
import { fakePasidEntry } from '../../../support/fake-lab/structures.ts';
import { fakeView } from '../../../support/fake-lab/views.ts';
import { createTestBed, render } from '../support/render.ts';

interface Seen {
  readonly context: SectionContext;
  readonly links: ViewLink[];
  readonly selected: (ObjectRefs | undefined)[];
}

function createContext(options: { selected?: ObjectRefs; tables?: boolean } = {}): Seen {
  const links: ViewLink[] = [];
  const selected: (ObjectRefs | undefined)[] = [];
  const context: SectionContext = {
    isSelected: (refs) =>
      options.selected !== undefined && refs !== undefined && refersToSame(options.selected, refs),
    select: (refs) => void selected.push(refs),
    openLink: (link) => void links.push(link),
    openRefs: () => undefined,
    prefersTables: () => options.tables ?? false,
  };
  return { context, links, selected };
}

function show(sections: readonly Section[], seen: Seen = createContext()) {
  return render(SectionList, createTestBed(), {
    props: { sections },
    global: { provide: { [SECTION_CONTEXT as symbol]: seen.context } },
  });
}

describe('structure section', () => {
  it('lists fields in the specification’s order and hides quiet reserved ones until asked', async () => {
    const view = show([fakePasidEntry(0x11, true)]);
    const names = (): string[] => view.findAll('tbody th .mono').map((cell) => cell.text());
    expect(names().slice(0, 5)).toEqual(['P', 'FPD', 'AW', 'SLEE', 'PGTT']);
    expect(names()).toContain('_r0');
    expect(names()).not.toContain('_r1');
    await view.get('button.more').trigger('click');
    expect(names()).toContain('_r1');
  });

  it('says in words what changed and what is violated', () => {
    const view = show([fakePasidEntry(0x11, true)]);
    expect(view.get('.field-table').text()).toContain('Reserved bits must be zero');
    expect(view.findAll('.field-table .changed-mark').length).toBe(2);
  });

  it('explains the field in hand, from the ruler and from the keyboard', async () => {
    const view = show([fakePasidEntry(0x11)]);
    const pgtt = view.findAll('[role="option"]').find((option) => option.text().startsWith('PGTT'));
    await pgtt?.trigger('pointerenter');
    expect(view.get('.in-hand').text()).toContain(
      'Addresses are translated by the second-stage tables only',
    );
    await view.get('.structure').trigger('pointerleave');
    expect(view.get('.in-hand').text()).toContain('512 bits');
    await view.findAll('[role="option"]')[0]?.trigger('focus');
    expect(view.get('.in-hand strong').text()).not.toBe('');
  });

  it('walks the ruler with arrow keys and has one tab stop', async () => {
    const view = show([fakePasidEntry(0x11)]);
    const ruler = view.get('[role="listbox"]');
    expect(view.findAll('[role="option"][tabindex="0"]')).toHaveLength(1);
    const first = view.get('[role="option"][tabindex="0"]').text();
    await ruler.trigger('keydown', { key: 'ArrowRight' });
    expect(view.findAll('[role="option"][tabindex="0"]')).toHaveLength(1);
    expect(view.get('[role="option"][tabindex="0"]').text()).not.toBe(first);
    expect(document.activeElement).toBe(view.get('[role="option"][tabindex="0"]').element);
  });

  it('opens the memory behind the structure', async () => {
    const seen = createContext();
    const view = show([fakePasidEntry(0x11)], seen);
    await view.get('button.address').trigger('click');
    expect(seen.links[0]).toMatchObject({
      view: 'memory',
      params: { address: '0x0000000001a02440' },
    });
  });
});

const TABLE: TableSection = {
  kind: 'table',
  id: 't',
  title: 'Queues',
  empty: 'Enable a queue to see it here.',
  columns: [
    { id: 'name', title: 'Queue', isMono: true },
    { id: 'fill', title: 'Occupancy', help: 'Descriptors waiting' },
  ],
  rows: [
    { id: 'a', cells: ['wq0', { text: '4 of 16', fill: 0.25 }], refs: { queue: 'dsa0/wq0' } },
    {
      id: 'b',
      cells: ['wq1', { text: 'full', tone: 'fault' }],
      refs: { queue: 'dsa0/wq1' },
      isChanged: true,
      detail: [{ kind: 'keyvalue', id: 'd', rows: [{ key: 'Size', value: '16' }] }],
    },
    { id: 'c', cells: ['wq2', { text: 'go', link: { view: 'memory', label: 'Memory' } }] },
  ],
  omittedRows: 3,
};

describe('table section', () => {
  it('draws rows, tones with marks, bars, and what was left out', () => {
    const view = show([TABLE]);
    expect(view.findAll('[data-row]')).toHaveLength(3);
    expect(view.get('.is-filled').attributes('style')).toContain('--fill: 25%');
    expect(view.get('[data-row="1"] .tone-mark').text()).toBe('fault');
    expect(view.text()).toContain('3 more rows are not shown');
  });

  it('says how to fill an empty table', () => {
    expect(show([{ ...TABLE, rows: [], omittedRows: 0 }]).text()).toContain(
      'Enable a queue to see it here.',
    );
  });

  it('is walked, selected and opened with the keyboard', async () => {
    const seen = createContext();
    const view = show([TABLE], seen);
    const grid = view.get('[role="treegrid"]');
    const row = (at: number) => view.get(`[data-row="${String(at)}"]`);
    await row(0).trigger('keydown', { key: 'ArrowDown' });
    await nextTick();
    await nextTick();
    expect(row(1).attributes('tabindex')).toBe('0');
    await row(1).trigger('keydown', { key: 'Enter' });
    expect(seen.selected).toEqual([{ queue: 'dsa0/wq1' }]);
    expect(row(1).attributes('aria-expanded')).toBe('true');
    expect(grid.text()).toContain('Size');
    await row(1).trigger('keydown', { key: 'ArrowLeft' });
    expect(row(1).attributes('aria-expanded')).toBe('false');
  });

  it('marks the selected object and follows links', async () => {
    const seen = createContext({ selected: { queue: 'dsa0/wq1' } });
    const view = show([TABLE], seen);
    expect(view.get('[data-row="1"]').attributes('aria-selected')).toBe('true');
    expect(view.get('[data-row="0"]').attributes('aria-selected')).toBe('false');
    await view.get('[data-row="2"] button.link').trigger('click');
    expect(seen.links).toEqual([{ view: 'memory', label: 'Memory' }]);
    expect(seen.selected).toEqual([]);
  });

  it('keeps a long table out of the page but counts it', () => {
    const rows = Array.from({ length: 5_000 }, (_, at) => ({
      id: String(at),
      cells: [`wq${String(at)}`, ''],
    }));
    const view = show([{ ...TABLE, rows }]);
    expect(view.findAll('[data-row]').length).toBeLessThan(200);
    expect(view.get('[role="grid"]').attributes('aria-rowcount')).toBe('5001');
  });
});

describe('tree section', () => {
  const [tree] = fakeView('pasid-table', {}).sections;
  const section = tree as TreeSection;

  it('opens as far as there is no choice, and shows bits without a click', () => {
    const view = show([section]);
    const items = view.findAll('[role="treeitem"]');
    expect(items.map((item) => item.attributes('aria-level'))).toEqual([
      '1',
      '2',
      '3',
      '4',
      '4',
      '4',
    ]);
    expect(view.get('[aria-selected="true"]').text()).toContain('PASID 0x11');
    expect(view.text()).toContain('PASID table entry 0x11');
  });

  it('opens what appears later, until the learner has opened or closed something', async () => {
    const view = show([{ ...section, nodes: [] }]);
    expect(view.text()).toContain('No root table is set.');
    await view.setProps({ sections: [section] });
    expect(view.findAll('[role="treeitem"]')).toHaveLength(6);
    await view.get('[role="tree"]').trigger('keydown', { key: 'Home' });
    await view.get('[role="tree"]').trigger('keydown', { key: 'ArrowLeft' });
    await view.setProps({ sections: [{ ...section, title: 'later' }] });
    expect(view.findAll('[role="treeitem"]')).toHaveLength(1);
  });

  it('follows the ARIA tree keys', async () => {
    const view = show([section]);
    const treeElement = view.get('[role="tree"]');
    const current = (): string => view.get('[role="treeitem"][tabindex="0"] .title').text();
    await treeElement.trigger('keydown', { key: 'Home' });
    expect(current()).toBe('Root table');
    await treeElement.trigger('keydown', { key: 'ArrowLeft' });
    expect(view.findAll('[role="treeitem"]')).toHaveLength(1);
    await treeElement.trigger('keydown', { key: 'ArrowRight' });
    await treeElement.trigger('keydown', { key: 'ArrowRight' });
    expect(current()).toBe('Context entry 6a:01.0');
    await treeElement.trigger('keydown', { key: 'End' });
    expect(current()).toBe('PASID 0x21');
    await treeElement.trigger('keydown', { key: 'ArrowLeft' });
    expect(current()).toBe('PASID directory [0]');
    await treeElement.trigger('keydown', { key: 'r' });
    expect(current()).toBe('Root table');
  });

  it('reveals what was selected in another pane', () => {
    const view = show([section], createContext({ selected: { pasid: 0x12, rid: '0x6a08' } }));
    expect(view.get('[aria-selected="true"]').text()).toContain('PASID 0x12');
    expect(view.findAll('.node.is-selected').map((node) => node.find('.title').text())).toEqual([
      'Context entry 6a:01.0',
      'PASID 0x12',
    ]);
  });
});

describe('walk section', () => {
  const [walk] = fakeView('nested-walk', {}).sections;
  const section = walk as WalkSection;

  it('draws each read in order, with the second-stage steps beside it', () => {
    const view = show([section]);
    expect(view.findAll('.steps > .step')).toHaveLength(section.steps.length);
    expect(view.findAll('.nested')).toHaveLength(3);
    expect(view.get('.result').text()).toContain('Stopped.');
    expect(view.get('.result').text()).toContain('79h');
  });

  it('opens a step to its structure and selects its object', async () => {
    const seen = createContext();
    const view = show([section], seen);
    const step = view
      .findAll('button.main')
      .find((button) => button.text().includes('PASID table entry'));
    expect(step?.attributes('aria-expanded')).toBe('false');
    await step?.trigger('click');
    expect(step?.attributes('aria-expanded')).toBe('true');
    expect(view.text()).toContain('PGTT');
    expect(seen.selected[0]).toMatchObject({ pasid: 0x11 });
  });

  it('has a table twin with every step', async () => {
    const view = show([section]);
    await view.findAll('[role="radio"]')[1]?.trigger('click');
    const nested = section.steps.reduce((sum, step) => sum + (step.nested?.length ?? 0), 0);
    expect(view.findAll('[data-row]')).toHaveLength(section.steps.length + nested);
    expect(view.text()).toContain('5.1');
  });

  it('starts as a table for those who prefer tables', () => {
    const view = show([section], createContext({ tables: true }));
    expect(view.find('.steps').exists()).toBe(false);
    expect(view.find('[role="treegrid"]').exists()).toBe(true);
  });
});

describe('topology section', () => {
  const sections = fakeView('topology', {}).sections;

  /** The picture comes in a chunk of its own. */
  async function showPicture(seen?: Seen): Promise<VueWrapper> {
    const view = show(sections, seen);
    await vi.waitUntil(() => view.findAll('.box').length > 0, { timeout: 15_000 });
    return view;
  }

  it('names kind and neighbours of each node for screen readers', async () => {
    const view = await showPicture();
    const text = view.findAll('.box').map((box) => box.text().replaceAll(/\s+/g, ' '));
    expect(text.some((line) => line.includes('IOMMU dmar0') && line.includes('connected to'))).toBe(
      true,
    );
  });

  it('selects a node and opens its link apart from that', async () => {
    const seen = createContext();
    const view = await showPicture(seen);
    const box = view
      .findAll('.box')
      .find((entry) => entry.get('.title').text().includes('mdev 83b8f4f2'));
    await box?.get('.face').trigger('click');
    await box?.get('.open').trigger('click');
    expect(seen.selected).toEqual([{ pasid: 0x11 }]);
    expect(seen.links).toMatchObject([{ view: 'vdev' }]);
  });

  it('has a table twin', async () => {
    const view = show(sections);
    await view.findAll('[role="radio"]')[1]?.trigger('click');
    expect(view.findAll('[data-row]')).toHaveLength(16);
    expect(view.text()).toContain('→ ADI 0 (portal)');
  });
});

describe('other sections', () => {
  it('marks changed bytes and greys rows of zeros', () => {
    const bytes: BytesSection = {
      kind: 'bytes',
      id: 'b',
      address: '0x0000000000001000',
      hex: `${'00'.repeat(16)}${'41'.repeat(16)}`,
      changedOffsets: [17],
    };
    const view = show([bytes]);
    const rows = view.findAll('[role="row"]');
    expect(rows).toHaveLength(2);
    expect(rows[0]?.classes()).toContain('is-zero');
    expect(rows[1]?.text()).toContain('A'.repeat(16));
    expect(view.findAll('.cells .is-changed')).toHaveLength(1);
    expect(rows[1]?.text()).toContain('0x00001010');
  });

  it('keeps a large block out of the page', () => {
    const view = show([{ kind: 'bytes', id: 'b', address: '0x0', hex: '00'.repeat(65_536) }]);
    expect(view.findAll('[role="row"]').length).toBeLessThan(200);
    expect(view.get('[role="table"]').attributes('aria-rowcount')).toBe('4096');
  });

  it('shows pairs with tone and link', async () => {
    const seen = createContext();
    const view = show(
      [
        {
          kind: 'keyvalue',
          id: 'k',
          rows: [
            {
              key: 'Faults',
              value: '4',
              tone: 'fault',
              link: { view: 'fault-records', label: 'Faults' },
            },
            { key: 'Root', value: '0x0000000001a00000', isChanged: true },
          ],
        },
      ],
      seen,
    );
    expect(view.get('dd').text()).toContain('fault');
    expect(view.findAll('.changed-mark')).toHaveLength(1);
    await view.get('dd button').trigger('click');
    expect(seen.links).toHaveLength(1);
  });

  it('splits a text into paragraphs', () => {
    const view = show([
      { kind: 'text', id: 'x', tone: 'stale', title: 'Stale', text: 'One.\n\nTwo.' },
    ]);
    expect(view.findAll('p')).toHaveLength(2);
    expect(view.get('h3').text()).toContain('stale');
  });

  it('draws every view of the engine without a warning', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    for (const view of ['work-queues', 'iotlb', 'registers', 'pasid-table', 'memory'] as const) {
      show(fakeView(view, {}).sections);
    }
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
