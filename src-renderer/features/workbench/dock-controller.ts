/** Drives the dock: where panes go, presets, saving and restoring. The only code that arranges panels. */
import type { DockviewApi, SerializedDockview } from 'dockview-vue';
import type { GuideStep } from '../../../src-main/protocol/lab-api.ts';
import type { ViewId } from '../../../src-main/protocol/views.ts';
import { isRecord } from '../../api/local-store.ts';
import type { DockController, ToolPane } from '../../stores/layout.ts';
import { arrangePanes, createAddPane, LOWER_TOOLS, type Place } from './arrange-panes.ts';
import { parsePaneId, viewPaneId } from './pane-id.ts';
import { resolvePreset } from './presets.ts';

const FORMAT = 1;
const RESIZE_PX = 48;

export interface DockTexts {
  titleOf(paneId: string): string;
  steps(): readonly GuideStep[];
}

function hasKnownPanels(api: DockviewApi): boolean {
  return api.panels.length > 0 && api.panels.every((panel) => parsePaneId(panel.id) !== null);
}

export function createDockController(api: DockviewApi, texts: DockTexts): DockController {
  const add = createAddPane(api, (id) => texts.titleOf(id));

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
    applyPreset: (name) => arrangePanes(api, add, resolvePreset(name, texts.steps())),
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
    resizeActive: (change) => {
      const group = api.activeGroup;
      if (group === undefined) return;
      const { width, height } = group;
      if (change === 'wider') group.api.setSize({ width: width + RESIZE_PX });
      else if (change === 'narrower') group.api.setSize({ width: width - RESIZE_PX });
      else if (change === 'taller') group.api.setSize({ height: height + RESIZE_PX });
      else group.api.setSize({ height: height - RESIZE_PX });
    },
    toggleMaximized: () => {
      const group = api.activeGroup;
      if (api.hasMaximizedGroup()) api.exitMaximizedGroup();
      else group?.api.maximize();
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
