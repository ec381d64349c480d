/** What the sections of a pane share: the window's selection and where links lead. Sections know no store. */
import { inject, type InjectionKey } from 'vue';
import type { ObjectRefs, ViewLink } from '../../../src-main/protocol/views.ts';

export interface SectionContext {
  isSelected(refs: ObjectRefs | undefined): boolean;
  select(refs: ObjectRefs | undefined): void;
  openLink(link: ViewLink): void;
  /** A chip of a reference was pressed: events and script lines are places to go to. */
  openRefs(refs: ObjectRefs): void;
  /** Pictures start as their table twin. */
  prefersTables(): boolean;
}

export const SECTION_CONTEXT: InjectionKey<SectionContext> = Symbol('SectionContext');

const INERT: SectionContext = {
  isSelected: () => false,
  select: () => undefined,
  openLink: () => undefined,
  openRefs: () => undefined,
  prefersTables: () => false,
};

export function useSectionContext(): SectionContext {
  return inject(SECTION_CONTEXT, INERT);
}
