import type { Disposable } from '../../src-main/protocol/channel.ts';

/** Listeners of one kind of event. A listener that throws does not stop the others. */
export class Emitter<T> {
  readonly #listeners = new Set<(data: T) => void>();

  on(listener: (data: T) => void): Disposable {
    const own = (data: T): void => listener(data);
    this.#listeners.add(own);
    return { dispose: () => void this.#listeners.delete(own) };
  }

  emit(data: T): void {
    let failure: { readonly error: unknown } | null = null;
    for (const listener of [...this.#listeners]) {
      try {
        listener(data);
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== null) throw failure.error;
  }

  clear(): void {
    this.#listeners.clear();
  }
}

/** Disposes all members once, in reverse order of registration. */
export class DisposableStore implements Disposable {
  readonly #members: Disposable[] = [];

  add<T extends Disposable>(member: T): T {
    this.#members.push(member);
    return member;
  }

  dispose(): void {
    for (const member of this.#members.splice(0).reverse()) member.dispose();
  }
}
