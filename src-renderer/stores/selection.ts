import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { ObjectRefs } from '../../src-main/protocol/views.ts';
import { isEmptyRefs, refersToSame } from '../format/refs.ts';

/** The one selected object of the window: whatever refers to it is highlighted in every pane. */
export const useSelectionStore = defineStore('selection', () => {
  const selected = shallowRef<ObjectRefs | null>(null);

  function select(refs: ObjectRefs | undefined): void {
    if (refs === undefined || isEmptyRefs(refs)) return;
    selected.value = refs;
  }

  /** Selecting the selected object again lets it go. */
  function toggle(refs: ObjectRefs | undefined): void {
    if (refs === undefined || isEmptyRefs(refs)) return;
    const isSame = JSON.stringify(selected.value) === JSON.stringify(refs);
    selected.value = isSame ? null : refs;
  }

  function isSelected(refs: ObjectRefs | undefined): boolean {
    if (selected.value === null || refs === undefined) return false;
    return refersToSame(selected.value, refs);
  }

  function reset(): void {
    selected.value = null;
  }

  return { selected, select, toggle, isSelected, clear: reset, reset };
});
