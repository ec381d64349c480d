/**
 * What software lets panes see of its own objects: plain data by key. It belongs to the machine's state, so that an
 * earlier instant shows the objects of that instant.
 */
import type { Snapshotable } from './core/snapshot.ts';
import type { PlainData } from './hardware-port.ts';

export type SoftwareStateSnapshot = ReadonlyMap<string, PlainData>;

export class SoftwareState implements Snapshotable<SoftwareStateSnapshot> {
  #values = new Map<string, PlainData>();
  /** The last snapshot, shared by all until something changes. */
  #frozen: SoftwareStateSnapshot | undefined;

  publish(key: string, value: PlainData | undefined): void {
    this.#frozen = undefined;
    if (value === undefined) {
      this.#values.delete(key);
    } else {
      this.#values.set(key, value);
    }
  }

  get(key: string): PlainData | undefined {
    return this.#values.get(key);
  }

  /** Entries whose key starts with the prefix, in the order of their keys. */
  entries(prefix: string): readonly (readonly [key: string, value: PlainData])[] {
    return [...this.#values.entries()]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  snapshot(): SoftwareStateSnapshot {
    this.#frozen ??= new Map(this.#values);
    return this.#frozen;
  }

  restore(state: SoftwareStateSnapshot): void {
    this.#values = new Map(state);
    this.#frozen = state;
  }
}
