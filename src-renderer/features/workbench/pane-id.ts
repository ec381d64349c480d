/** Ids of panes: `guide`, `view:iotlb`, and `view:iotlb#2` for a second pane of one view. */
import type { ViewId } from '../../../src-main/protocol/views.ts';
import { isViewId } from '../../format/links.ts';
import { TOOL_PANES, type ToolPane } from '../../stores/layout.ts';

export type PaneTarget =
  | { readonly kind: 'tool'; readonly tool: ToolPane }
  | { readonly kind: 'view'; readonly view: ViewId; readonly copy: number };

export function viewPaneId(view: ViewId, copy = 1): string {
  return copy === 1 ? `view:${view}` : `view:${view}#${String(copy)}`;
}

export function parsePaneId(id: string): PaneTarget | null {
  const tool = TOOL_PANES.find((pane) => pane === id);
  if (tool !== undefined) return { kind: 'tool', tool };
  const [, view = '', copy = '1'] = /^view:([a-z-]+)(?:#(\d+))?$/.exec(id) ?? [];
  return isViewId(view) ? { kind: 'view', view, copy: Number(copy) } : null;
}

/** Stable id for tests and for the page: `pane-guide`, `pane-view-iotlb`, `pane-view-iotlb-2`. */
export function paneTestId(id: string): string {
  return `pane-${id.replace(':', '-').replace('#', '-')}`;
}
