import { defineStore } from 'pinia';
import { shallowRef, watch } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import { DisposableStore } from '../api/emitter.ts';
import { isConnectionLost, type ConnectionStatus } from '../api/lab-client.ts';
import { LAB_API_VERSION, type LabView, type RunState } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useChecksStore } from './checks.ts';
import { useConnectionStore } from './connection.ts';
import { useConsoleStore } from './console.ts';
import { useCourseStore } from './course.ts';
import { useDebugStore } from './debug.ts';
import { useFilesStore } from './files.ts';
import { useGuideStore } from './guide.ts';
import { useLabStore, type OpenOptions } from './lab.ts';
import { useLayoutStore } from './layout.ts';
import { useNoticesStore } from './notices.ts';
import { useRunStore } from './run.ts';
import { useSelectionStore } from './selection.ts';
import { useSettingsStore } from './settings.ts';
import { useTimelineStore } from './timeline.ts';
import { useTraceStore } from './trace.ts';
import { useViewsStore } from './views.ts';

/** An engine that has no lab open refuses to tell its run. */
function noLab(error: unknown): null {
  if (isConnectionLost(error)) throw error;
  return null;
}

const HASH = /^#lab\/([a-z0-9][a-z0-9-]{0,79})$/;

/** Keeps every store in step with the engine: events, opening a lab, reconnecting. */
export const useSessionStore = defineStore('session', () => {
  const client = useLabClient();
  const connection = useConnectionStore();
  const course = useCourseStore();
  const lab = useLabStore();
  const files = useFilesStore();
  const run = useRunStore();
  const timeline = useTimelineStore();
  const trace = useTraceStore();
  const checks = useChecksStore();
  const consoleStore = useConsoleStore();
  const guide = useGuideStore();
  const debug = useDebugStore();
  const layout = useLayoutStore();
  const views = useViewsStore();
  const selection = useSelectionStore();
  const notices = useNoticesStore();
  const settings = useSettingsStore();
  const isOutdated = shallowRef(false);
  const version = shallowRef('');
  const subscriptions = new DisposableStore();
  let stopWatching = (): void => undefined;

  function applyRun(next: RunState): void {
    const isNewRun = next.runId > run.run.runId;
    run.apply(next);
    if (isNewRun) trace.forgetRun();
  }

  function adopt(opened: LabView): void {
    run.reset();
    timeline.reset();
    trace.reset();
    views.reset();
    selection.reset();
    consoleStore.reset();
    checks.apply(opened.checks);
    files.load(opened);
    guide.load(opened.id);
    debug.load(opened.id);
  }

  /** What the engine knows of the present run, after opening or reconnecting. */
  async function refresh(): Promise<void> {
    await Promise.all([
      run.load(),
      timeline.load(),
      consoleStore.load(),
      client.call('checks.get', {}).then((answer) => checks.apply(answer.checks)),
    ]);
    trace.pager.refresh(true);
  }

  async function openLab(labId: string, options: OpenOptions = {}): Promise<boolean> {
    if (lab.lab !== null) await files.flush();
    const isOther = lab.lab?.id !== labId;
    const opened = await lab.open(labId, options);
    if (opened === null) return false;
    adopt(opened);
    history.replaceState(null, '', `#lab/${opened.id}`);
    if (isOther) await layout.load(opened.layout);
    await Promise.all([refresh(), debug.sync()]).catch((error: unknown) =>
      notices.addError(translate('notice.refresh'), error),
    );
    return true;
  }

  async function goHome(): Promise<void> {
    await files.flush();
    await layout.save();
    lab.reset();
    files.reset();
    guide.reset();
    history.replaceState(null, '', location.pathname + location.search);
    await course.load();
  }

  async function reopen(open: LabView): Promise<void> {
    await openLab(open.id, { seed: open.seed, profile: open.profile });
  }

  /** Guides come in the language of the window. A run is not thrown away for it without being asked. */
  async function translateLab(): Promise<void> {
    await course.load();
    const open = lab.lab;
    if (open === null) return;
    if (run.run.state === 'idle') await reopen(open);
    else {
      notices.add({
        tone: 'info',
        title: translate('notice.language'),
        action: { label: translate('notice.languageDo'), run: () => void reopen(open) },
      });
    }
  }

  /** The same engine goes on with the run; another one has to open the lab again. */
  async function recover(): Promise<void> {
    await course.load();
    const open = lab.lab;
    if (open === null) return;
    const knownRun = run.run.runId;
    const found = await client.call('run.state', {}).catch(noLab);
    if (knownRun > 0 && found?.runId === knownRun) await Promise.all([refresh(), files.flush()]);
    else await reopen(open);
  }

  async function greet(): Promise<void> {
    const info = await client.call('app.info', {});
    version.value = info.version;
    isOutdated.value = info.apiVersion !== LAB_API_VERSION;
  }

  function onConnection(status: ConnectionStatus): void {
    connection.status = status;
    if (status.state !== 'open' || status.generation < 2) return;
    Promise.all([greet(), recover()]).catch((error: unknown) =>
      notices.addError(translate('notice.refresh'), error),
    );
  }

  function subscribe(): void {
    subscriptions.add(client.onDidChangeConnection(onConnection));
    subscriptions.add(client.on('run.state', applyRun));
    subscriptions.add(
      client.on('timeline.changed', (next) => {
        const isRewritten = next.head < timeline.timeline.head;
        const isLonger = next.head !== timeline.timeline.head;
        timeline.apply(next);
        if (isLonger) trace.pager.refresh(isRewritten);
      }),
    );
    subscriptions.add(client.on('checks.changed', (next) => checks.apply(next.checks)));
    subscriptions.add(client.on('console.lines', (next) => consoleStore.append(next.lines)));
    subscriptions.add(
      client.on('course.changed', (next) => {
        course.course = next;
      }),
    );
    subscriptions.add(
      client.on('storage.problem', (next) => {
        connection.storageProblem = next;
      }),
    );
    subscriptions.add(
      client.on('session.restarted', (next) => {
        connection.restartMessage = next.message;
        void recover();
      }),
    );
  }

  async function start(): Promise<void> {
    subscribe();
    stopWatching = watch(() => settings.activeLocale, translateLab);
    connection.status = client.connection;
    const [, linked] = HASH.exec(location.hash) ?? [];
    try {
      await greet();
      await course.load();
      if (linked !== undefined) await openLab(linked);
    } catch (error) {
      notices.addError(translate('notice.start'), error);
    }
  }

  function reset(): void {
    subscriptions.dispose();
    stopWatching();
    isOutdated.value = false;
    version.value = '';
  }

  return { isOutdated, version, start, openLab, goHome, reset };
});
