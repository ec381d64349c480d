import { defineStore } from 'pinia';
import { shallowRef } from 'vue';

export type ShellDialog = 'palette' | 'shortcuts' | 'about';

/** Which dialog of the window is open. */
export const useShellStore = defineStore('shell', () => {
  const dialog = shallowRef<ShellDialog | null>(null);

  function show(next: ShellDialog): void {
    dialog.value = next;
  }

  function reset(): void {
    dialog.value = null;
  }

  return { dialog, show, close: reset, reset };
});
