import { onBeforeUnmount, shallowRef, watch, type Ref, type ShallowRef } from 'vue';

export interface ElementSize {
  readonly width: ShallowRef<number>;
  readonly height: ShallowRef<number>;
}

/** The content size of an element, `fallback` until it is known. */
export function useElementSize(
  element: Readonly<Ref<HTMLElement | null>>,
  fallback = { width: 0, height: 0 },
): ElementSize {
  const width = shallowRef(fallback.width);
  const height = shallowRef(fallback.height);
  const observer = new ResizeObserver(([entry]) => {
    if (entry === undefined || entry.contentRect.width === 0) return;
    width.value = Math.floor(entry.contentRect.width);
    height.value = Math.floor(entry.contentRect.height);
  });
  watch(
    element,
    (next, before) => {
      if (before) observer.unobserve(before);
      if (next) observer.observe(next);
    },
    { immediate: true },
  );
  onBeforeUnmount(() => observer.disconnect());
  return { width, height };
}
