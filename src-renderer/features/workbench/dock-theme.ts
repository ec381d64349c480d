import type { DockviewTheme } from 'dockview-vue';

export const DOCK_THEME: DockviewTheme = {
  name: 'lab',
  className: 'dock-theme-lab',
  gap: 4,
  dndTabIndicator: 'line',
};
