/**
 * What every subsystem of one kernel instance stands on: the machine, simulated time, the event log and the objects shown
 * in panes. There are no module globals: a guest has its own `Core` over its own view of memory and registers.
 *
 * Everything is synchronous in simulated time. A wait lets the machine run until its condition holds; interrupts that
 * become pending meanwhile are handled in between, and so are kernel timers.
 */
import type { EventKind } from '../../spec/events/event.ts';
import {
  CALLBACK_CALLED,
  CALLBACK_RETURNED,
  CALL_ENTERED,
  CALL_RETURNED,
  STATE_CHANGED,
  WARNING_PRINTED,
} from '../../spec/events/linux.ts';
import type { DefenceName, HardwarePort, PlainData } from '../../sim/index.ts';
import { describe, describeArguments } from './describe.ts';
import { type KernelParams, DEFAULT_PARAMS } from './params.ts';
import { Timers } from './timers.ts';

export type KernelRole = 'host' | { readonly guest: string };
export type KernelProfile = 'kvmforum2019' | 'iommufd';

export interface KernelOptions {
  readonly hw: HardwarePort;
  readonly role: KernelRole;
  readonly profile: KernelProfile;
  readonly params?: Partial<KernelParams>;
}

type EventValue = number | bigint | string | boolean;

const NO_SEQ = -1;

export class Core {
  readonly hw: HardwarePort;
  readonly role: KernelRole;
  readonly profile: KernelProfile;
  readonly params: KernelParams;
  /** Source name of trace records. */
  readonly name: string;
  readonly timers = new Timers();
  /** Runs handlers of pending interrupts; set by the interrupt core. */
  serviceInterrupts: () => void = () => {};
  readonly #keyPrefix: string;
  readonly #nextId = new Map<string, number>();
  readonly #published = new Map<string, PlainData>();
  #isQuiet = false;

  constructor(options: KernelOptions) {
    this.hw = options.hw;
    this.role = options.role;
    this.profile = options.profile;
    this.params = { ...DEFAULT_PARAMS, ...options.params };
    const guest = options.role === 'host' ? undefined : options.role.guest;
    this.name = guest ?? 'linux';
    this.#keyPrefix = guest === undefined ? '' : `guest/${guest}/`;
  }

  get isHost(): boolean {
    return this.role === 'host';
  }

  get nowNs(): number {
    return this.hw.nowNs;
  }

  /** False when the machine's configuration takes this defence away. */
  defends(name: DefenceName): boolean {
    return this.hw.config.defences?.[name] ?? true;
  }

  /** 0, 1, 2 ... for each kind of object; never reused, so that a number names one object of the run. */
  nextId(kind: string, first = 0): number {
    const id = this.#nextId.get(kind) ?? first;
    this.#nextId.set(kind, id + 1);
    return id;
  }

  emit(kind: EventKind, ...values: readonly EventValue[]): number {
    return this.#isQuiet ? NO_SEQ : this.hw.emit(kind, this.name, ...values);
  }

  /** Runs something that only reads without leaving records: a watch expression of the debugger. */
  quietly<T>(body: () => T): T {
    const wasQuiet = this.#isQuiet;
    this.#isQuiet = true;
    try {
      return body();
    } finally {
      this.#isQuiet = wasQuiet;
    }
  }

  /** Makes the present state of an object visible to panes and checks; undefined removes it. */
  publish(key: string, value: PlainData | undefined): void {
    this.hw.publish(this.#keyPrefix + key, value);
    if (value === undefined) {
      this.#published.delete(key);
    } else {
      this.#published.set(key, value);
    }
  }

  /** What was published last under a key. */
  published(key: string): PlainData | undefined {
    return this.#published.get(key);
  }

  /** Keys that begin with `prefix`, sorted. */
  publishedKeys(prefix: string): readonly string[] {
    return [...this.#published.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  /** A line of the kernel log. */
  warn(text: string): void {
    this.emit(WARNING_PRINTED, text);
  }

  stateChanged(object: string, from: string, to: string): void {
    if (from !== to) {
      this.emit(STATE_CHANGED, object, from, to);
    }
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  /** Runs one kernel function that may change something, with one record before and one after. */
  call<T>(name: string, args: readonly unknown[], body: () => T): T {
    const text = describeArguments(args);
    const seq = this.emit(CALL_ENTERED, name, text);
    return this.hw.within(seq, () => {
      const result = body();
      this.#returned(name, text, result, seq);
      return result;
    });
  }

  /** Runs one kernel function that only reads: one record. */
  query<T>(name: string, args: readonly unknown[], body: () => T): T {
    const result = body();
    this.#returned(name, describeArguments(args), result, NO_SEQ);
    return result;
  }

  /** Runs an operation that a driver registered. */
  callback<T>(owner: string, name: string, object: string, body: () => T): T {
    const seq = this.emit(CALLBACK_CALLED, owner, name, object);
    return this.hw.within(seq, () => {
      const result = body();
      const code = typeof result === 'number' ? result : 0;
      this.emit(CALLBACK_RETURNED, owner, name, describe(result), code);
      return result;
    });
  }

  #returned(name: string, args: string, result: unknown, entered: number): void {
    const code = typeof result === 'number' ? result : 0;
    this.emit(CALL_RETURNED, name, args, describe(result), code, entered);
  }

  // ---- time ----------------------------------------------------------------------------------------------------------

  /** Lets simulated time pass, handling interrupts and timers when they are due. */
  advance(durationNs: number): void {
    this.#runUntil(() => false, durationNs);
  }

  /** Lets time pass up to the next thing that happens. False when nothing did within the limit. */
  step(limitNs: number): boolean {
    this.settle();
    const end = this.nowNs + limitNs;
    const limit = Math.min(end, this.timers.nextDueNs) - this.nowNs;
    const hasHappened = this.hw.advanceToNextEvent(Math.max(0, limit));
    const hasTimer = this.timers.nextDueNs <= this.nowNs;
    this.settle();
    return hasHappened || hasTimer;
  }

  /** Waits until the condition holds. False when it did not within the time. */
  waitFor(condition: () => boolean, timeoutNs: number): boolean {
    return this.#runUntil(condition, timeoutNs);
  }

  /** Spins on a condition with interrupts off: the machine runs, nothing is handled in between. */
  poll(condition: () => boolean, timeoutNs: number): boolean {
    const end = this.nowNs + timeoutNs;
    while (!condition()) {
      if (this.nowNs >= end) {
        return false;
      }
      if (!this.hw.advanceToNextEvent(end - this.nowNs) && this.nowNs < end) {
        this.hw.advance(end - this.nowNs);
      }
    }
    return true;
  }

  /** Handles what is pending now, without letting time pass. */
  settle(): void {
    this.serviceInterrupts();
    this.timers.runDue(this.nowNs);
  }

  #runUntil(condition: () => boolean, durationNs: number): boolean {
    const end = this.nowNs + durationNs;
    for (;;) {
      this.settle();
      if (condition()) {
        return true;
      }
      const left = Math.min(end, this.timers.nextDueNs) - this.nowNs;
      if (this.nowNs >= end) {
        return false;
      }
      if (left > 0 && !this.hw.advanceToNextEvent(left)) {
        const rest = Math.min(end, this.timers.nextDueNs) - this.nowNs;
        if (rest > 0) {
          this.hw.advance(rest);
        }
      }
    }
  }
}
