import { inject, shallowRef, type InjectionKey, type ShallowRef } from 'vue';

/** What a pane knows of its place in the dock. */
export interface PaneContext {
  readonly id: string;
  readonly isVisible: Readonly<ShallowRef<boolean>>;
}

export const PANE: InjectionKey<PaneContext> = Symbol('pane');

export function usePane(): PaneContext {
  return inject(PANE, () => ({ id: '', isVisible: shallowRef(true) }), true);
}
