/** Drives the dock: where panes go, presets, saving and restoring. The only code that arranges panels. */
import type { DockviewApi, IDockviewPanel, SerializedDockview } from 'dockview-vue';
import type { GuideStep } from '../../../src-main/protocol/lab-api.ts';
import type { ViewId } from '../../../src-main/protocol/views.ts';
import { isRecord } from '../../api/local-store.ts';
import type { DockController, ToolPane } from '../../stores/layout.ts';
import { parsePaneId, viewPaneId } from './pane-id.ts';
import { resolvePreset } from './presets.ts';

const FORMAT = 1;
/** Below this width the views share the lower half with the tools instead of taking a third column. */
const WIDE_PX = 1_200;
const LOWER_TOOLS: readonly ToolPane[] = ['console', 'trace', 'why', 'variables'];
const COMPONENT = 'pane';

type Place =
  | {
      readonly referencePanel: string;
      readonly direction: 'left' | 'right' | 'above' | 'below' | 'within';
    }
  /** At the edge of the whole dock. */
  | { readonly direction: 'right' }
  | undefined;

export interface DockTexts {
  titleOf(paneId: string): string;
  steps(): readonly GuideStep[];
}

function hasKnownPanels(api: DockviewApi): boolean {
  return api.panels.length > 0 && api.panels.every((panel) => parsePaneId(panel.id) !== null);
}

export function createDockController(api: DockviewApi, texts: DockTexts): DockController {
  function add(id: string, position: Place, isInactive = true): IDockviewPanel {
    return api.addPanel({
      id,
      component: COMPONENT,
      title: texts.titleOf(id),
      inactive: isInactive,
      ...(position !== undefined && { position }),
    });
  }

  function addRow(ids: readonly string[], position: Place): void {
    const [first, ...others] = ids;
    if (first === undefined) return;
    add(first, position);
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

  function applyPreset(name: string): void {
    const preset = resolvePreset(name, texts.steps());
    const upper = preset.upper.map((view) => viewPaneId(view));
    const lower = preset.lower
      .filter((view) => !preset.upper.includes(view))
      .map((view) => viewPaneId(view));
    api.clear();
    add('guide', undefined, false);
    add('editor', { referencePanel: 'guide', direction: 'right' });
    if (api.width >= WIDE_PX) arrangeWide(upper, lower);
    else arrangeNarrow([...upper, ...lower]);
    activate(['guide', ...lower.slice(0, 1), ...upper.slice(0, 1), preset.tool, 'editor']);
    // In the narrow arrangement tools and views share a group: the view is what the lab is about.
    if (api.width < WIDE_PX) activate([...upper.slice(0, 1), 'guide', 'editor']);
  }

  /** The group that already holds views, so that one more joins them. */
  function viewPlace(): Place {
    const home = api.panels.find((panel) => parsePaneId(panel.id)?.kind === 'view');
    if (home !== undefined) return { referencePanel: home.id, direction: 'within' };
    const editor = api.getPanel('editor');
    return editor === undefined ? undefined : { referencePanel: editor.id, direction: 'right' };
  }

  function toolPlace(tool: ToolPane): Place {
    const mates: readonly ToolPane[] = LOWER_TOOLS.includes(tool)
      ? LOWER_TOOLS
      : ['guide', 'checks'];
    const home = mates.find((mate) => api.getPanel(mate) !== undefined);
    return home === undefined ? undefined : { referencePanel: home, direction: 'within' };
  }

  return {
    applyPreset,
    showTool: (tool) => {
      const panel = api.getPanel(tool) ?? add(tool, toolPlace(tool));
      panel.api.setActive();
    },
    showView: (view: ViewId, { isSecond, isQuiet }) => {
      let copy = 1;
      while (isSecond && api.getPanel(viewPaneId(view, copy)) !== undefined) copy += 1;
      const id = viewPaneId(view, copy);
      const panel = api.getPanel(id) ?? add(id, viewPlace());
      if (!isQuiet) panel.api.setActive();
      return id;
    },
    serialize: () => JSON.stringify({ format: FORMAT, dock: api.toJSON() }),
    restore: (saved) => {
      try {
        const parsed: unknown = JSON.parse(saved);
        if (!isRecord(parsed) || parsed.format !== FORMAT || !isRecord(parsed.dock)) return false;
        // Written by serialize() above; the dock itself rejects what it cannot read.
        api.fromJSON(parsed.dock as unknown as SerializedDockview);
        if (!hasKnownPanels(api)) return false;
        for (const panel of api.panels) panel.api.setTitle(texts.titleOf(panel.id));
        return true;
      } catch {
        return false;
      }
    },
  };
}
