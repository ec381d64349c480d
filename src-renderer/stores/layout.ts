import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { ViewId, ViewLink, ViewParams } from '../../src-main/protocol/views.ts';
import { useViewsStore } from './views.ts';

/** Panes that every lab has, besides one for each view. */
export const TOOL_PANES = [
  'guide',
  'editor',
  'console',
  'trace',
  'checks',
  'why',
  'variables',
] as const;
export type ToolPane = (typeof TOOL_PANES)[number];

export const PANE_RESIZES = ['wider', 'narrower', 'taller', 'shorter'] as const;
export type PaneResize = (typeof PANE_RESIZES)[number];

/** What the dock does for the stores; the dock itself is a component. */
export interface DockController {
  showTool(pane: ToolPane): void;
  /** Shows the view's pane, opening it if needed, and answers its pane id. */
  showView(
    view: ViewId,
    options: { readonly isSecond: boolean; readonly isQuiet: boolean },
  ): string;
  applyPreset(name: string): void;
  /** Keyboard twins of dragging a border and of the maximise button, for the group in hand. */
  resizeActive(change: PaneResize): void;
  toggleMaximized(): void;
  /** False when the saved text is no layout of this version. */
  restore(saved: string): boolean;
  serialize(): string;
}

const SAVE_DELAY_MS = 600;

/** Pane arrangement by name. It is kept by the host, so it survives the browser's storage. */
export const useLayoutStore = defineStore('layout', () => {
  const client = useLabClient();
  const views = useViewsStore();
  const dock = shallowRef<DockController | null>(null);
  const name = shallowRef('default');
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isRestoring = false;

  async function load(next: string): Promise<void> {
    name.value = next;
    const controller = dock.value;
    if (controller === null) return;
    const saved = await client.call('layout.load', { name: next }).catch(() => null);
    if (dock.value !== controller || name.value !== next) return;
    isRestoring = true;
    const layout = saved?.layout ?? null;
    if (layout === null || !controller.restore(layout)) controller.applyPreset(next);
    isRestoring = false;
  }

  async function attach(controller: DockController): Promise<void> {
    dock.value = controller;
    await load(name.value);
  }

  function detach(): void {
    clearTimeout(timer);
    dock.value = null;
  }

  async function save(): Promise<void> {
    clearTimeout(timer);
    if (dock.value === null) return;
    const layout = dock.value.serialize();
    // A layout that cannot be kept is no loss of work: the next change tries again.
    await client.call('layout.save', { name: name.value, layout }).catch(() => undefined);
  }

  function noteChange(): void {
    if (isRestoring) return;
    clearTimeout(timer);
    timer = setTimeout(() => void save(), SAVE_DELAY_MS);
  }

  function resetLayout(): void {
    dock.value?.applyPreset(name.value);
    noteChange();
  }

  function showTool(pane: ToolPane): void {
    dock.value?.showTool(pane);
  }

  function showView(view: ViewId, params?: ViewParams): void {
    const paneId = dock.value?.showView(view, { isSecond: false, isQuiet: false });
    if (paneId !== undefined && params !== undefined) views.setParams(paneId, params);
  }

  /** A second pane of the same view, to compare two objects. */
  function showSecondView(view: ViewId, params: ViewParams): void {
    const paneId = dock.value?.showView(view, { isSecond: true, isQuiet: false });
    if (paneId !== undefined) views.setParams(paneId, params);
  }

  function resizeActive(change: PaneResize): void {
    dock.value?.resizeActive(change);
  }

  function toggleMaximized(): void {
    dock.value?.toggleMaximized();
  }

  function openLink(link: ViewLink): void {
    showView(link.view, link.params ?? {});
  }

  function reset(): void {
    clearTimeout(timer);
    name.value = 'default';
  }

  return {
    name,
    load,
    attach,
    detach,
    save,
    noteChange,
    resetLayout,
    showTool,
    showView,
    showSecondView,
    resizeActive,
    toggleMaximized,
    openLink,
    reset,
  };
});
