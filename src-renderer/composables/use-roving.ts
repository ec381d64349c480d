/** One tab stop for a list of items, moved with the arrow keys. */
import { shallowRef, type ShallowRef } from 'vue';

export interface Roving {
  readonly index: ShallowRef<number>;
  tabIndexOf(index: number): 0 | -1;
  /** True when the key moved the focus. */
  onKey(event: KeyboardEvent): boolean;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  PageDown: 10,
  PageUp: -10,
};

export function useRoving(count: () => number, focus: (index: number) => void): Roving {
  const index = shallowRef(0);

  function onKey(event: KeyboardEvent): boolean {
    const last = count() - 1;
    if (last < 0 || event.ctrlKey || event.altKey || event.metaKey) return false;
    const step = STEPS[event.key];
    let next = index.value;
    if (event.key === 'Home') next = 0;
    else if (event.key === 'End') next = last;
    else if (step === undefined) return false;
    else next += step;
    event.preventDefault();
    index.value = Math.min(last, Math.max(0, next));
    focus(index.value);
    return true;
  }

  return {
    index,
    tabIndexOf: (at) => (at === Math.min(index.value, Math.max(0, count() - 1)) ? 0 : -1),
    onKey,
  };
}
