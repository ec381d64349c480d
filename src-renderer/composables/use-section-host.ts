/** Connects sections to the window: selection, links, preference for tables. */
import type { SectionContext } from '../components/sections/section-context.ts';
import { useSelectionStore } from '../stores/selection.ts';
import { useSettingsStore } from '../stores/settings.ts';
import { useNavigator } from './use-navigator.ts';

export function useSectionHost(): SectionContext {
  const selection = useSelectionStore();
  const settings = useSettingsStore();
  const navigator = useNavigator();
  return {
    isSelected: (refs) => selection.isSelected(refs),
    select: (refs) => selection.toggle(refs),
    openLink: (link) => navigator.openView(link),
    openRefs: (refs) => navigator.openRefs(refs),
    prefersTables: () => settings.prefersTables,
  };
}
