import { useI18n } from 'vue-i18n';
import { parsePaneId } from './pane-id.ts';

/** Titles of panes in the language of the window. */
export function usePaneTitle(): (paneId: string) => string {
  const { t } = useI18n();
  return (paneId) => {
    const target = parsePaneId(paneId);
    if (target === null) return paneId;
    if (target.kind === 'tool') return t(`pane.${target.tool}`);
    const title = t(`view.${target.view}`);
    return target.copy === 1 ? title : `${title} ${String(target.copy)}`;
  };
}
