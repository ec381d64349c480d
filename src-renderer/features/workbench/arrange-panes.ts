/** Puts the panes of a preset into an empty dock: three columns in a wide window, two in a narrow one. */
import type { DockviewApi, IDockviewPanel } from 'dockview-vue';
import type { ToolPane } from '../../stores/layout.ts';
import { viewPaneId } from './pane-id.ts';
import type { LayoutPreset } from './presets.ts';

/** Below this width the views share the lower half with the tools instead of taking a third column. */
const WIDE_PX = 1_200;
const COMPONENT = 'pane';

/** Tools that live below the editor; `guide` and `checks` stand beside it. */
export const LOWER_TOOLS: readonly ToolPane[] = ['console', 'trace', 'why', 'variables'];

export type Place =
  | {
      readonly referencePanel: string;
      readonly direction: 'left' | 'right' | 'above' | 'below' | 'within';
    }
  /** At the edge of the whole dock. */
  | { readonly direction: 'right' }
  | undefined;

export type AddPane = (id: string, place: Place, isInactive?: boolean) => IDockviewPanel;

export function createAddPane(api: DockviewApi, titleOf: (paneId: string) => string): AddPane {
  return (id, place, isInactive = true) =>
    api.addPanel({
      id,
      component: COMPONENT,
      title: titleOf(id),
      inactive: isInactive,
      ...(place !== undefined && { position: place }),
    });
}

export function arrangePanes(api: DockviewApi, add: AddPane, preset: LayoutPreset): void {
  function addRow(ids: readonly string[], place: Place): void {
    const [first, ...others] = ids;
    if (first === undefined) return;
    add(first, place);
    for (const id of others) add(id, { referencePanel: first, direction: 'within' });
  }

  function activate(ids: readonly string[]): void {
    for (const id of ids) api.getPanel(id)?.api.setActive();
  }

  function arrangeWide(upper: readonly string[], lower: readonly string[]): void {
    addRow(LOWER_TOOLS, { referencePanel: 'editor', direction: 'below' });
    addRow(['checks'], { referencePanel: 'guide', direction: 'below' });
    const [firstUpper] = upper;
    if (firstUpper !== undefined) {
      addRow(upper, { direction: 'right' });
      api.getPanel(firstUpper)?.api.setSize({ width: api.width * 0.345 });
      addRow(lower, { referencePanel: firstUpper, direction: 'below' });
    }
    api.getPanel('guide')?.api.setSize({ width: api.width * 0.225 });
    const tool = api.getPanel('console');
    tool?.api.setSize({ height: api.height * 0.34 });
    api.getPanel('checks')?.api.setSize({ height: api.height * 0.32 });
    const [firstLower] = lower;
    if (firstLower !== undefined) {
      api.getPanel(firstLower)?.api.setSize({ height: api.height * 0.38 });
    }
  }

  function arrangeNarrow(views: readonly string[]): void {
    addRow(['checks'], { referencePanel: 'guide', direction: 'within' });
    addRow([...views, ...LOWER_TOOLS], { referencePanel: 'editor', direction: 'below' });
    api.getPanel('guide')?.api.setSize({ width: Math.max(290, api.width * 0.31) });
    api.getPanel('console')?.api.setSize({ height: api.height * 0.48 });
  }

  const upper = preset.upper.map((view) => viewPaneId(view));
  const lower = preset.lower.map((view) => viewPaneId(view));
  api.clear();
  add('guide', undefined, false);
  add('editor', { referencePanel: 'guide', direction: 'right' });
  if (api.width >= WIDE_PX) arrangeWide(upper, lower);
  else arrangeNarrow([...upper, ...lower]);
  activate(['guide', ...lower.slice(0, 1), ...upper.slice(0, 1), preset.tool, 'editor']);
  // In the narrow arrangement tools and views share a group: the view is what the lab is about.
  if (api.width < WIDE_PX) activate([...upper.slice(0, 1), 'guide', 'editor']);
}
