/** Storage in memory, for tests of what stands on it. */
import type { Revision, RevisionReason, Storage } from '../../src-main/services/ports.ts';

export class MemoryStorage implements Storage {
  readonly texts = new Map<string, string>();
  readonly #revisions = new Map<string, { readonly revision: Revision; readonly text: string }[]>();

  read(key: string): string | null {
    return this.texts.get(key) ?? null;
  }

  write(key: string, text: string): void {
    this.texts.set(key, text);
  }

  save(key: string, text: string, reason: RevisionReason): Revision {
    this.write(key, text);
    const list = this.#revisions.get(key) ?? [];
    const newest = list[0];
    if (newest?.text === text) return newest.revision;
    const revision = {
      id: String(list.length + 1),
      savedAt: '2026-01-01T00:00:00.000Z',
      bytes: text.length,
      reason,
    };
    this.#revisions.set(key, [{ revision, text }, ...list]);
    return revision;
  }

  revisions(key: string): readonly Revision[] {
    return (this.#revisions.get(key) ?? []).map((entry) => entry.revision);
  }

  readRevision(key: string, id: string): string | null {
    return this.#revisions.get(key)?.find((entry) => entry.revision.id === id)?.text ?? null;
  }

  remove(key: string): void {
    this.texts.delete(key);
  }

  list(prefix: string): readonly string[] {
    return [...this.texts.keys()].filter((key) => key.startsWith(`${prefix}/`)).toSorted();
  }
}
