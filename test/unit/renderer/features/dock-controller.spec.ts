import type { AddPanelOptions, DockviewApi, IDockviewPanel } from 'dockview-vue';
import { describe, expect, it, vi } from 'vitest';
import { createDockController } from '../../../../src-renderer/features/workbench/dock-controller.ts';
import type { DockController } from '../../../../src-renderer/stores/layout.ts';

interface Placed {
  readonly id: string;
  readonly options: AddPanelOptions;
}

/** As much of the dock as the controller drives. */
class StubDock {
  readonly placed: Placed[] = [];
  readonly active: string[] = [];
  readonly width: number;
  readonly height = 800;
  restored: unknown = null;

  constructor(width: number) {
    this.width = width;
  }

  get panels(): IDockviewPanel[] {
    return this.placed.map(({ id }) => this.#panel(id));
  }

  addPanel(options: AddPanelOptions): IDockviewPanel {
    this.placed.push({ id: options.id, options });
    return this.#panel(options.id);
  }

  getPanel(id: string): IDockviewPanel | undefined {
    return this.placed.some((entry) => entry.id === id) ? this.#panel(id) : undefined;
  }

  clear(): void {
    this.placed.length = 0;
  }

  toJSON(): unknown {
    return { panels: this.placed.map(({ id }) => id) };
  }

  fromJSON(saved: { readonly panels?: readonly string[] }): void {
    if (saved.panels === undefined) throw new Error('not a layout');
    this.restored = saved;
    this.clear();
    for (const id of saved.panels) this.addPanel({ id, component: 'pane' });
  }

  positionOf(id: string): unknown {
    return this.placed.find((entry) => entry.id === id)?.options.position;
  }

  #panel(id: string): IDockviewPanel {
    const api = {
      setActive: () => void this.active.push(id),
      setSize: vi.fn(),
      setTitle: vi.fn(),
    };
    return { id, api } as unknown as IDockviewPanel;
  }
}

function create(width: number): { readonly dock: StubDock; readonly controller: DockController } {
  const dock = new StubDock(width);
  const controller = createDockController(dock as unknown as DockviewApi, {
    titleOf: (id) => id,
    steps: () => [],
  });
  return { dock, controller };
}

describe('dock controller', () => {
  it('gives a wide window a column of views, with the first in front', () => {
    const { dock, controller } = create(1_440);
    controller.applyPreset('config-space');
    expect(dock.positionOf('view:pci-config')).toEqual({ direction: 'right' });
    expect(dock.positionOf('view:device-registers')).toEqual({
      referencePanel: 'view:pci-config',
      direction: 'within',
    });
    expect(dock.positionOf('view:topology')).toEqual({
      referencePanel: 'view:pci-config',
      direction: 'below',
    });
    expect(dock.positionOf('console')).toEqual({ referencePanel: 'editor', direction: 'below' });
    expect(dock.active).toContain('view:pci-config');
    expect(dock.active.at(-1)).toBe('editor');
  });

  it('puts views below the editor in a narrow window', () => {
    const { dock, controller } = create(1_016);
    controller.applyPreset('config-space');
    expect(dock.positionOf('view:pci-config')).toEqual({
      referencePanel: 'editor',
      direction: 'below',
    });
    expect(dock.positionOf('checks')).toEqual({ referencePanel: 'guide', direction: 'within' });
  });

  it('opens a view among the views, and shows an open one instead of a second', () => {
    const { dock, controller } = create(1_440);
    controller.applyPreset('default');
    expect(controller.showView('iotlb', { isSecond: false, isQuiet: false })).toBe('view:iotlb');
    expect(dock.positionOf('view:iotlb')).toMatchObject({ direction: 'within' });
    const before = dock.placed.length;
    controller.showView('iotlb', { isSecond: false, isQuiet: false });
    expect(dock.placed).toHaveLength(before);
    expect(controller.showView('iotlb', { isSecond: true, isQuiet: false })).toBe('view:iotlb#2');
    expect(controller.showView('iotlb', { isSecond: true, isQuiet: false })).toBe('view:iotlb#3');
  });

  it('brings a closed tool back beside its mates', () => {
    const { dock, controller } = create(1_440);
    dock.addPanel({ id: 'trace', component: 'pane' });
    controller.showTool('why');
    expect(dock.positionOf('why')).toEqual({ referencePanel: 'trace', direction: 'within' });
    expect(dock.active).toEqual(['why']);
  });

  it('reads back what it wrote', () => {
    const { dock, controller } = create(1_440);
    controller.applyPreset('queues');
    const saved = controller.serialize();
    dock.clear();
    expect(controller.restore(saved)).toBe(true);
    expect(dock.getPanel('view:work-queues')).toBeDefined();
  });

  it.each([
    ['no JSON', 'x'],
    ['another format', '{"format":0,"dock":{"panels":[]}}'],
    ['no layout', '{"format":1,"dock":{}}'],
    ['no panes', '{"format":1,"dock":{"panels":[]}}'],
    ['a pane of another version', '{"format":1,"dock":{"panels":["guide","view:hologram"]}}'],
  ])('refuses %s', (_what, saved) => {
    expect(create(1_440).controller.restore(saved)).toBe(false);
  });
});
