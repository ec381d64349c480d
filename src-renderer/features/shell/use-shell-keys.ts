/** Window-wide keys, and the same actions for the menu of the host. */
import type { MenuCommand } from '../../../src-main/protocol/bridge.ts';
import { onMenuCommand } from '../../api/connect.ts';
import { useFilesStore } from '../../stores/files.ts';
import { useLabStore } from '../../stores/lab.ts';
import { useLayoutStore } from '../../stores/layout.ts';
import { useRunGateStore } from '../../stores/run-gate.ts';
import { useRunStore } from '../../stores/run.ts';
import { useSelectionStore } from '../../stores/selection.ts';
import { useSessionStore } from '../../stores/session.ts';
import { THEMES, useSettingsStore } from '../../stores/settings.ts';
import { useShellStore } from '../../stores/shell.ts';
import { cycleRegions } from './pane-focus.ts';
import { matchShortcut, type ShortcutId } from './shortcuts.ts';

const LAB_ONLY: readonly ShortcutId[] = [
  'run',
  'stop',
  'step-over',
  'step-back',
  'step-into',
  'step-out',
];

function next<T>(all: readonly T[], current: T): T {
  return all[(all.indexOf(current) + 1) % all.length] ?? current;
}

export function useShellKeys(): (event: KeyboardEvent) => void {
  const run = useRunStore();
  const gate = useRunGateStore();
  const files = useFilesStore();
  const lab = useLabStore();
  const layout = useLayoutStore();
  const selection = useSelectionStore();
  const session = useSessionStore();
  const settings = useSettingsStore();
  const shell = useShellStore();

  const actions: Readonly<Record<ShortcutId, () => void>> = {
    run: () => void (run.isRunning ? run.pause() : gate.request('run')),
    stop: () => void run.stop(),
    'step-over': () => void gate.request('step'),
    'step-back': () => void run.stepBack(),
    'step-into': () => void run.step('into'),
    'step-out': () => void run.step('out'),
    palette: () => shell.show('palette'),
    save: () => void files.flush(),
    'next-pane': () => cycleRegions(1),
    'previous-pane': () => cycleRegions(-1),
  };

  const menu: Readonly<Record<MenuCommand, () => void>> = {
    'file.save': actions.save,
    'file.home': () => void session.goHome(),
    'run.start': actions.run,
    'run.pause': () => void run.pause(),
    'run.stop': actions.stop,
    'run.step-over': actions['step-over'],
    'run.step-into': actions['step-into'],
    'run.step-out': actions['step-out'],
    'run.step-back': actions['step-back'],
    'view.reset-layout': () => layout.resetLayout(),
    'view.next-theme': () => {
      settings.theme = next(THEMES, settings.theme);
    },
    'view.command-palette': actions.palette,
    'help.shortcuts': () => shell.show('shortcuts'),
    'help.about': () => shell.show('about'),
  };
  onMenuCommand((command) => menu[command]());

  function isEscapeFree(event: KeyboardEvent): boolean {
    const { target } = event;
    if (event.key !== 'Escape' || !(target instanceof Element)) return false;
    return target.closest('input, textarea, select, [role="dialog"], .monaco-editor') === null;
  }

  return (event) => {
    if (isEscapeFree(event)) selection.clear();
    const id = matchShortcut(event);
    if (id === null || (LAB_ONLY.includes(id) && lab.lab === null)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || id === 'step-over' || id === 'step-back') actions[id]();
  };
}
