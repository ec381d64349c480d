import { onBeforeUnmount, shallowRef, type ShallowRef } from 'vue';

/** Increases when the theme changes, for what draws with colours it has read (canvas, Monaco). */
export function useThemeVersion(): Readonly<ShallowRef<number>> {
  const version = shallowRef(0);
  const observer = new MutationObserver(() => {
    version.value += 1;
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  onBeforeUnmount(() => observer.disconnect());
  return version;
}
