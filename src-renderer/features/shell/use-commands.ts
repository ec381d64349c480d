/** Everything the program can do, by name: for the palette, the menu of the host, and the shortcut help. */
import { computed, type ComputedRef } from 'vue';
import { useI18n } from 'vue-i18n';
import { VIEW_IDS } from '../../../src-main/protocol/views.ts';
import { useCourseStore } from '../../stores/course.ts';
import { useDebugStore } from '../../stores/debug.ts';
import { useFilesStore } from '../../stores/files.ts';
import { useLabStore } from '../../stores/lab.ts';
import { PANE_RESIZES, TOOL_PANES, useLayoutStore } from '../../stores/layout.ts';
import { useRunGateStore } from '../../stores/run-gate.ts';
import { useRunStore } from '../../stores/run.ts';
import { useSessionStore } from '../../stores/session.ts';
import { THEMES, useSettingsStore } from '../../stores/settings.ts';
import { useTimelineStore } from '../../stores/timeline.ts';
import { PRESET_NAMES } from '../workbench/presets.ts';
import { shortcutText } from './shortcuts.ts';
import { useShellStore } from '../../stores/shell.ts';

export interface Command {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly shortcut?: string;
  /** Null when it can be done now. */
  readonly disabledReason: string | null;
  readonly run: () => void;
}

type Draft = Omit<Command, 'group' | 'disabledReason'> & {
  readonly disabledReason?: string | null;
};

function useRunCommands(): ComputedRef<readonly Draft[]> {
  const { t } = useI18n();
  const run = useRunStore();
  const gate = useRunGateStore();
  const debug = useDebugStore();
  return computed(() => [
    {
      id: 'run',
      title: t(run.isPaused ? 'run.continue' : 'run.run'),
      shortcut: shortcutText('run'),
      disabledReason: run.reasons.run,
      run: () => void gate.request('run'),
    },
    {
      id: 'pause',
      title: t('run.pause'),
      shortcut: shortcutText('run'),
      disabledReason: run.reasons.pause,
      run: () => void run.pause(),
    },
    {
      id: 'step-over',
      title: t('run.stepOver'),
      shortcut: shortcutText('step-over'),
      disabledReason: run.reasons['step-over'],
      run: () => void gate.request('step'),
    },
    {
      id: 'step-into',
      title: t('run.stepInto'),
      shortcut: shortcutText('step-into'),
      disabledReason: run.reasons['step-over'],
      run: () => void run.step('into'),
    },
    {
      id: 'step-out',
      title: t('run.stepOut'),
      shortcut: shortcutText('step-out'),
      disabledReason: run.reasons['step-over'],
      run: () => void run.step('out'),
    },
    {
      id: 'step-back',
      title: t('run.stepBack'),
      shortcut: shortcutText('step-back'),
      disabledReason: run.reasons['step-back'],
      run: () => void run.stepBack(),
    },
    {
      id: 'stop',
      title: t('run.stop'),
      shortcut: shortcutText('stop'),
      disabledReason: run.reasons.stop,
      run: () => void run.stop(),
    },
    {
      id: 'clear-breakpoints',
      title: t('run.clearBreakpoints'),
      disabledReason: debug.breakpoints.length === 0 ? t('disabled.noBreakpoints') : null,
      run: () => void debug.clearAll(),
    },
  ]);
}

function usePaneCommands(): ComputedRef<readonly Draft[]> {
  const { t } = useI18n();
  const layout = useLayoutStore();
  const lab = useLabStore();
  return computed(() => {
    const reason = lab.lab === null ? t('disabled.noLab') : null;
    return [
      ...TOOL_PANES.map((pane) => ({
        id: `pane-${pane}`,
        title: t('command.show', { what: t(`pane.${pane}`) }),
        disabledReason: reason,
        run: () => layout.showTool(pane),
      })),
      ...VIEW_IDS.map((view) => ({
        id: `view-${view}`,
        title: t('command.show', { what: t(`view.${view}`) }),
        disabledReason: reason,
        run: () => layout.showView(view),
      })),
      ...PRESET_NAMES.map((name) => ({
        id: `layout-${name}`,
        title: t('command.layout', { name: t(`layout.${name}`) }),
        disabledReason: reason,
        run: () => void layout.load(name),
      })),
      ...PANE_RESIZES.map((change) => ({
        id: `pane-${change}`,
        title: t(`dock.${change}`),
        disabledReason: reason,
        run: () => layout.resizeActive(change),
      })),
      {
        id: 'maximize-pane',
        title: t('dock.maximizeToggle'),
        disabledReason: reason,
        run: () => layout.toggleMaximized(),
      },
      {
        id: 'reset-layout',
        title: t('layout.reset'),
        disabledReason: reason,
        run: () => layout.resetLayout(),
      },
    ];
  });
}

function useLabCommands(): ComputedRef<readonly Draft[]> {
  const { t } = useI18n();
  const course = useCourseStore();
  const files = useFilesStore();
  const lab = useLabStore();
  const session = useSessionStore();
  const timeline = useTimelineStore();
  return computed(() => [
    {
      id: 'home',
      title: t('command.home'),
      disabledReason: lab.lab === null ? t('disabled.atHome') : null,
      run: () => void session.goHome(),
    },
    {
      id: 'go-live',
      title: t('timeline.goLive'),
      disabledReason: timeline.isLive ? t('disabled.isLive') : null,
      run: () => void timeline.seek('head'),
    },
    ...files.files.map((file) => ({
      id: `file-${file.path}`,
      title: t('command.openFile', { path: file.path }),
      run: () => files.open(file.path),
    })),
    ...course.labs.map((entry) => ({
      id: `lab-${entry.id}`,
      title: t('command.openLab', { title: entry.title }),
      run: () => void session.openLab(entry.id),
    })),
  ]);
}

function useWindowCommands(): ComputedRef<readonly Draft[]> {
  const { t } = useI18n();
  const settings = useSettingsStore();
  const shell = useShellStore();
  const files = useFilesStore();
  return computed(() => [
    ...THEMES.map((theme) => ({
      id: `theme-${theme}`,
      title: t('command.theme', { name: t(`theme.${theme}`) }),
      run: () => {
        settings.theme = theme;
      },
    })),
    { id: 'locale-en', title: 'Language: English', run: () => void (settings.locale = 'en') },
    { id: 'locale-zh-CN', title: '语言：简体中文', run: () => void (settings.locale = 'zh-CN') },
    {
      id: 'prefer-tables',
      title: t(settings.prefersTables ? 'command.preferPictures' : 'command.preferTables'),
      run: () => {
        settings.prefersTables = !settings.prefersTables;
      },
    },
    {
      id: 'save',
      title: t('command.save'),
      shortcut: shortcutText('save'),
      run: () => void files.flush(),
    },
    { id: 'shortcuts', title: t('command.shortcuts'), run: () => shell.show('shortcuts') },
    { id: 'about', title: t('command.about'), run: () => shell.show('about') },
  ]);
}

export function useCommands(): ComputedRef<readonly Command[]> {
  const { t } = useI18n();
  const groups = [
    ['command.group.run', useRunCommands()],
    ['command.group.labs', useLabCommands()],
    ['command.group.panes', usePaneCommands()],
    ['command.group.window', useWindowCommands()],
  ] as const;
  return computed(() =>
    groups.flatMap(([group, drafts]) =>
      drafts.value.map((draft) => ({ disabledReason: null, ...draft, group: t(group) })),
    ),
  );
}
