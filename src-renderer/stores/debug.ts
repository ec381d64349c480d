import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import { isRecord, readLocal, writeLocal } from '../api/local-store.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';

export interface Breakpoint {
  readonly path: string;
  /** Where the learner put it. */
  readonly line: number;
  /** Where it really stops: the next statement, null where there is none, undefined until the engine has said. */
  readonly stopLine?: number | null;
}

function parseBreakpoints(value: unknown): readonly Breakpoint[] {
  if (!Array.isArray(value)) return [];
  const items: readonly unknown[] = value;
  return items.flatMap((item) =>
    isRecord(item) && typeof item.path === 'string' && typeof item.line === 'number'
      ? [{ path: item.path, line: item.line }]
      : [],
  );
}

function parseWatches(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  const items: readonly unknown[] = value;
  return items.filter((item) => typeof item === 'string');
}

/** Breakpoints and watch expressions of the open lab, kept in the browser. */
export const useDebugStore = defineStore('debug', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const labId = shallowRef<string | null>(null);
  const breakpoints = shallowRef<readonly Breakpoint[]>([]);
  const watches = shallowRef<readonly string[]>([]);

  /** As the engine wants them. */
  const requested = computed(() => breakpoints.value.map(({ path, line }) => ({ path, line })));

  function load(id: string): void {
    labId.value = id;
    breakpoints.value = parseBreakpoints(readLocal(`breakpoints:${id}`));
    watches.value = parseWatches(readLocal(`watches:${id}`));
  }

  function keep(): void {
    if (labId.value === null) return;
    writeLocal(`breakpoints:${labId.value}`, requested.value);
    writeLocal(`watches:${labId.value}`, watches.value);
  }

  /** Tells the engine and learns where each breakpoint really stops. */
  async function sync(): Promise<void> {
    keep();
    const asked = breakpoints.value;
    try {
      const { lines } = await client.call('run.breakpoints', { breakpoints: requested.value });
      if (breakpoints.value !== asked) return;
      breakpoints.value = asked.map(({ path, line }, index) => {
        const stopLine = lines[index];
        return stopLine === undefined ? { path, line } : { path, line, stopLine };
      });
    } catch (error) {
      notices.addError(translate('notice.breakpoints'), error);
    }
  }

  async function toggle(path: string, line: number): Promise<void> {
    const others = breakpoints.value.filter((point) => point.path !== path || point.line !== line);
    const isNew = others.length === breakpoints.value.length;
    breakpoints.value = isNew ? [...others, { path, line }] : others;
    await sync();
  }

  /** The editor moved its decorations because text above them changed. */
  function replaceInFile(path: string, lines: readonly number[]): void {
    const others = breakpoints.value.filter((point) => point.path !== path);
    breakpoints.value = [...others, ...[...new Set(lines)].map((line) => ({ path, line }))];
    keep();
  }

  async function clearAll(): Promise<void> {
    breakpoints.value = [];
    await sync();
  }

  function addWatch(expression: string): void {
    if (expression === '' || watches.value.includes(expression)) return;
    watches.value = [...watches.value, expression];
    keep();
  }

  function removeWatch(expression: string): void {
    watches.value = watches.value.filter((other) => other !== expression);
    keep();
  }

  function reset(): void {
    labId.value = null;
    breakpoints.value = [];
    watches.value = [];
  }

  return {
    breakpoints,
    watches,
    requested,
    load,
    sync,
    toggle,
    replaceInFile,
    clearAll,
    addWatch,
    removeWatch,
    reset,
  };
});
