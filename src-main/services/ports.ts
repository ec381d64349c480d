/** What a session asks of its host. Hosts implement these; nothing in services knows how. */

/** Cryptography and compression of simulated accelerators: results depend on the arguments only. */
export type { CipherRequest, CryptoPort } from '../sim/index.ts';

/** Why a revision of a text exists. */
export type RevisionReason = 'autosave' | 'run' | 'restore' | 'reset';

export interface Revision {
  readonly id: string;
  /** ISO 8601 wall-clock time of the save. */
  readonly savedAt: string;
  readonly bytes: number;
  readonly reason: RevisionReason;
}

/**
 * Texts that outlive the process. A key is a slash-separated path of plain names such as
 * `workspace/020-first-pasid/driver.ts`. Calls are synchronous, so that work is safe on disk before
 * a command answers, even while a script is paused. Failures are `AppError`s whose code starts with
 * `ERR_STORAGE`; after one the earlier text is intact.
 */
export interface Storage {
  read(key: string): string | null;
  /** Replaces the text as a whole: after a crash it is the old or the new one. */
  write(key: string, text: string): void;
  /** As `write`, and keeps the text as a revision. The same text again makes no new revision. */
  save(key: string, text: string, reason: RevisionReason): Revision;
  /** Newest first. */
  revisions(key: string): readonly Revision[];
  readRevision(key: string, id: string): string | null;
  remove(key: string): void;
  /** Keys below a prefix that ends at a name, in alphabetical order. */
  list(prefix: string): readonly string[];
}

/** The lab packages, as text. */
export interface LabSource {
  /** Folder names of the labs, in alphabetical order. */
  labs(): readonly string[];
  /** Paths of a lab's files, relative to its folder, with `/`, in alphabetical order. */
  files(lab: string): readonly string[];
  readText(lab: string, path: string): string;
  /** A text that belongs to all labs, such as the glossary; null when there is none. */
  readCourseText(path: string): string | null;
  /** Pictures of a lab. */
  readBytes(lab: string, path: string): Uint8Array;
}

/** Wall-clock time, for what people read; never for the simulation. */
export interface WallClock {
  nowMs(): number;
}

/**
 * The way out of a running script. While a script runs, the thread reads no messages by itself: the
 * script's interrupt handler calls `poll`, and a breakpoint calls `serveUntil`. Both answer waiting
 * requests through the session's `serveWhilePaused`.
 */
export interface RunControl {
  /** Brackets every stretch in which learner code holds the thread; the watchdog looks only then. */
  setRunning(isRunning: boolean): void;
  /** Answers what has arrived, without waiting. Also the sign of life. Cheap enough for each ms. */
  poll(): void;
  /** Sleeps and answers until `isDone()`, which is asked after each request. */
  serveUntil(isDone: () => boolean): void;
  /** Lets waiting requests and timers of the host's event loop have a turn between slices. */
  yieldTurn(): Promise<void>;
}
