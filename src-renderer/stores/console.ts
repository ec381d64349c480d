import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { ConsoleLine } from '../../src-main/protocol/lab-api.ts';

export interface NumberedLine extends ConsoleLine {
  readonly id: number;
}

export interface ProbeValue {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

const MAX_LINES = 5_000;

/** What scripts and the session said, newest last, with the latest value of each `// ?` probe. */
export const useConsoleStore = defineStore('console', () => {
  const client = useLabClient();
  const lines = shallowRef<readonly NumberedLine[]>([]);
  const probeMap = shallowRef<ReadonlyMap<string, ProbeValue>>(new Map());
  let lastId = 0;

  const probes = computed(() => [...probeMap.value.values()]);

  function append(added: readonly ConsoleLine[]): void {
    if (added.length === 0) return;
    const numbered = added.map((line) => {
      lastId += 1;
      return { ...line, id: lastId };
    });
    lines.value = [...lines.value, ...numbered].slice(-MAX_LINES);
    const found = added.filter((line) => line.level === 'probe');
    if (found.length === 0) return;
    const next = new Map(probeMap.value);
    for (const { path, line, text } of found) {
      if (path === undefined || line === undefined) continue;
      next.set(`${path}:${String(line)}`, { path, line, text });
    }
    probeMap.value = next;
  }

  async function load(): Promise<void> {
    const { lines: all } = await client.call('console.get', {});
    reset();
    append(all);
  }

  function clear(): void {
    lines.value = [];
  }

  function reset(): void {
    lines.value = [];
    probeMap.value = new Map();
  }

  return { lines, probes, append, load, clear, reset };
});
