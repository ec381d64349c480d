/** Going places: one way for links, chips, buttons and shortcuts in every pane. */
import { useI18n } from 'vue-i18n';
import type { ObjectRefs, ViewLink } from '../../src-main/protocol/views.ts';
import type { LabLink } from '../format/links.ts';
import { useFilesStore } from '../stores/files.ts';
import { useLayoutStore } from '../stores/layout.ts';
import { useNoticesStore } from '../stores/notices.ts';
import { useSelectionStore } from '../stores/selection.ts';
import { useSessionStore } from '../stores/session.ts';
import { useTimelineStore } from '../stores/timeline.ts';
import { useTraceStore } from '../stores/trace.ts';

export interface Navigator {
  /** Shows the state right after an event, and the event itself in the trace. */
  goToEvent(event: number): void;
  goToScript(path: string, line: number): void;
  openView(link: ViewLink): void;
  openRefs(refs: ObjectRefs): void;
  /** Terms are shown by the pane that holds the link. */
  follow(link: LabLink): Promise<void>;
  showWhy(event: number): Promise<void>;
}

export function useNavigator(): Navigator {
  const { t } = useI18n();
  const files = useFilesStore();
  const layout = useLayoutStore();
  const notices = useNoticesStore();
  const selection = useSelectionStore();
  const session = useSessionStore();
  const timeline = useTimelineStore();
  const trace = useTraceStore();

  function goToEvent(event: number): void {
    selection.select({ event });
    layout.showTool('trace');
    void timeline.seekTo(event);
    void trace.showRecord(event);
  }

  function goToScript(path: string, line: number): void {
    layout.showTool('editor');
    files.open(path, line);
  }

  function openView(link: ViewLink): void {
    layout.openLink(link);
  }

  function openRefs(refs: ObjectRefs): void {
    if (refs.script !== undefined) goToScript(refs.script.path, refs.script.line);
    else if (refs.event !== undefined) goToEvent(refs.event);
    else selection.toggle(refs);
  }

  async function goToLast(eventKind: string): Promise<void> {
    const event = await trace.lastOfKind(eventKind);
    if (event === null) {
      notices.add({ tone: 'info', title: t('notice.noSuchEvent', { kind: eventKind }) });
    } else goToEvent(event);
  }

  async function follow(link: LabLink): Promise<void> {
    switch (link.kind) {
      case 'view':
        layout.showView(link.view, link.params);
        break;
      case 'event':
        goToEvent(link.event);
        break;
      case 'last-event':
        await goToLast(link.eventKind);
        break;
      case 'lab':
        await session.openLab(link.id);
        break;
      case 'file':
        goToScript(link.path, link.line);
        break;
      case 'term':
      case 'external':
        break;
    }
  }

  async function showWhy(event: number): Promise<void> {
    layout.showTool('why');
    selection.select({ event });
    await trace.askWhy(event);
  }

  return { goToEvent, goToScript, openView, openRefs, follow, showWhy };
}
