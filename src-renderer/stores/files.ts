import { defineStore } from 'pinia';
import { computed, shallowReactive, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import { isConnectionLost } from '../api/lab-client.ts';
import { clearUnsentEdit, readUnsentEdit, writeUnsentEdit } from '../api/unsent-edits.ts';
import type { LabFile, LabView } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';

export interface FileBuffer {
  readonly path: string;
  readonly role: LabFile['role'];
  readonly actor: LabFile['actor'];
  readonly text: string;
  /** What the host has confirmed. */
  readonly savedText: string;
  readonly isStarter: boolean;
  readonly state: 'saved' | 'edited' | 'saving' | 'failed';
  /** Increases when the text was replaced from outside the editor. */
  readonly externalVersion: number;
}

/** An edit of an earlier page whose file was changed elsewhere since. The learner decides. */
export interface EditConflict {
  readonly path: string;
  readonly localText: string;
}

const AUTOSAVE_MS = 400;
const RETRY_MS = 3_000;

/** Texts of the open lab's files. Every edit is mirrored in the browser at once and sent soon after. */
export const useFilesStore = defineStore('files', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const labId = shallowRef<string | null>(null);
  const buffers = shallowReactive(new Map<string, FileBuffer>());
  const conflicts = shallowRef<readonly EditConflict[]>([]);
  const activePath = shallowRef<string | null>(null);
  /** Where the editor should go next; consumed by the editor. */
  const reveal = shallowRef<{ readonly path: string; readonly line: number } | null>(null);
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const running = new Map<string, Promise<boolean>>();

  const files = computed(() => [...buffers.values()]);
  const active = computed(() =>
    activePath.value === null ? null : (buffers.get(activePath.value) ?? null),
  );
  const unsavedCount = computed(
    () => files.value.filter((buffer) => buffer.text !== buffer.savedText).length,
  );
  const hasFailed = computed(() => files.value.some((buffer) => buffer.state === 'failed'));

  function patch(path: string, change: Partial<FileBuffer>): void {
    const buffer = buffers.get(path);
    if (buffer !== undefined) buffers.set(path, { ...buffer, ...change });
  }

  function schedule(path: string, delayMs: number): void {
    clearTimeout(timers.get(path));
    timers.set(
      path,
      setTimeout(() => void save(path), delayMs),
    );
  }

  function edit(path: string, text: string): void {
    const buffer = buffers.get(path);
    if (buffer === undefined || buffer.role === 'read' || buffer.text === text) return;
    patch(path, { text, isStarter: false, state: 'edited' });
    if (labId.value !== null) {
      writeUnsentEdit(labId.value, path, { text, base: buffer.savedText });
    }
    schedule(path, AUTOSAVE_MS);
  }

  async function send(id: string, path: string, text: string): Promise<boolean> {
    patch(path, { state: 'saving' });
    try {
      await client.call('file.save', { labId: id, path, text });
    } catch (error) {
      patch(path, { state: 'failed' });
      if (!isConnectionLost(error)) {
        notices.addError(translate('notice.save', { path }), error);
        schedule(path, RETRY_MS);
      }
      return false;
    }
    if (labId.value !== id) return true;
    const isCurrent = buffers.get(path)?.text === text;
    patch(path, { savedText: text, state: isCurrent ? 'saved' : 'edited' });
    if (isCurrent) clearUnsentEdit(id, path);
    else schedule(path, AUTOSAVE_MS);
    return true;
  }

  /** One save of a file is out at a time, so that an older text never overtakes a newer one. */
  async function save(path: string): Promise<boolean> {
    clearTimeout(timers.get(path));
    const earlier = running.get(path);
    if (earlier !== undefined) await earlier;
    const buffer = buffers.get(path);
    if (labId.value === null || buffer === undefined) return true;
    if (buffer.text === buffer.savedText) {
      patch(path, { state: 'saved' });
      clearUnsentEdit(labId.value, path);
      return true;
    }
    const sending = send(labId.value, path, buffer.text);
    running.set(path, sending);
    const isSaved = await sending;
    if (running.get(path) === sending) running.delete(path);
    return isSaved;
  }

  /** Sends everything unsent now. False when something could not be stored. */
  async function flush(): Promise<boolean> {
    const results = await Promise.all([...buffers.keys()].map((path) => save(path)));
    return results.every((isSaved) => isSaved);
  }

  function recover(id: string, file: LabFile, isSameLab: boolean): FileBuffer {
    const own = isSameLab ? buffers.get(file.path) : undefined;
    const buffer: FileBuffer = {
      path: file.path,
      role: file.role,
      actor: file.actor,
      text: file.text,
      savedText: file.text,
      isStarter: file.isStarter,
      state: 'saved',
      externalVersion: (buffers.get(file.path)?.externalVersion ?? 0) + 1,
    };
    if (own !== undefined && own.text !== own.savedText) {
      return { ...buffer, text: own.text, isStarter: false, state: 'edited' };
    }
    const unsent = file.role === 'edit' ? readUnsentEdit(id, file.path) : null;
    if (unsent === null) return buffer;
    if (unsent.text === file.text) {
      clearUnsentEdit(id, file.path);
      return buffer;
    }
    if (unsent.base !== file.text) {
      conflicts.value = [...conflicts.value, { path: file.path, localText: unsent.text }];
      return buffer;
    }
    notices.add({ tone: 'good', title: translate('notice.recovered', { path: file.path }) });
    return { ...buffer, text: unsent.text, isStarter: false, state: 'edited' };
  }

  function load(lab: LabView): void {
    const isSameLab = labId.value === lab.id;
    const keptPath = isSameLab ? activePath.value : null;
    for (const timer of timers.values()) clearTimeout(timer);
    labId.value = lab.id;
    conflicts.value = [];
    const loaded = lab.files.map((file) => recover(lab.id, file, isSameLab));
    buffers.clear();
    for (const buffer of loaded) buffers.set(buffer.path, buffer);
    const first = loaded.find((buffer) => buffer.role === 'edit') ?? loaded[0];
    activePath.value = keptPath ?? lab.focus?.path ?? first?.path ?? null;
    if (keptPath === null && lab.focus !== null) reveal.value = lab.focus;
    for (const buffer of loaded) {
      if (buffer.state === 'edited') schedule(buffer.path, 0);
    }
  }

  function replaceText(path: string, text: string, isStored: boolean): void {
    const buffer = buffers.get(path);
    if (buffer === undefined) return;
    patch(path, {
      text,
      externalVersion: buffer.externalVersion + 1,
      ...(isStored && { savedText: text, state: 'saved' }),
    });
  }

  async function resetToStarter(path: string): Promise<void> {
    if (labId.value === null) return;
    try {
      await save(path);
      const { text } = await client.call('file.reset', { labId: labId.value, path });
      clearUnsentEdit(labId.value, path);
      replaceText(path, text, true);
      patch(path, { isStarter: true });
    } catch (error) {
      notices.addError(translate('notice.resetFile', { path }), error);
    }
  }

  /** Puts an older text back as a new edit, so that undo and history still hold the newer one. */
  async function restore(path: string, text: string): Promise<void> {
    edit(path, text);
    replaceText(path, text, false);
    await save(path);
  }

  function resolveConflict(path: string, choice: 'local' | 'stored'): void {
    const conflict = conflicts.value.find((entry) => entry.path === path);
    if (conflict === undefined || labId.value === null) return;
    conflicts.value = conflicts.value.filter((entry) => entry !== conflict);
    if (choice === 'stored') clearUnsentEdit(labId.value, path);
    else void restore(path, conflict.localText);
  }

  function open(path: string, line?: number): void {
    if (!buffers.has(path)) return;
    activePath.value = path;
    if (line !== undefined) reveal.value = { path, line };
  }

  function reset(): void {
    for (const timer of timers.values()) clearTimeout(timer);
    timers.clear();
    labId.value = null;
    buffers.clear();
    conflicts.value = [];
    activePath.value = null;
    reveal.value = null;
  }

  return {
    files,
    active,
    activePath,
    conflicts,
    reveal,
    unsavedCount,
    hasFailed,
    edit,
    save,
    flush,
    load,
    resetToStarter,
    restore,
    resolveConflict,
    open,
    reset,
  };
});
