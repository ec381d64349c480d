/** A reference count as `kref` and `refcount_t`: starts at one, never below zero, the last put releases. */
import type { Core } from './core.ts';

export class Refcount {
  readonly #core: Core;
  readonly #name: string;
  readonly #release: () => void;
  #count = 1;

  constructor(core: Core, name: string, release: () => void) {
    this.#core = core;
    this.#name = name;
    this.#release = release;
  }

  get count(): number {
    return this.#count;
  }

  get(): void {
    if (this.#count === 0) {
      this.#core.warn(`refcount_t: addition on 0; use-after-free of ${this.#name}`);
      return;
    }
    this.#count += 1;
  }

  /** True when this was the last reference. */
  put(): boolean {
    if (this.#count === 0) {
      this.#core.warn(`refcount_t: underflow; use-after-free of ${this.#name}`);
      return false;
    }
    this.#count -= 1;
    if (this.#count > 0) {
      return false;
    }
    this.#release();
    return true;
  }
}
