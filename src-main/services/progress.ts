/** How far the learner is in each lab, and what was predicted. Stored as one JSON document. */
import * as v from 'valibot';
import type { LabProgress } from '../protocol/lab-api.ts';
import type { Storage } from './ports.ts';

const KEY = 'progress.json';

const ProgressSchema = v.object({
  format: v.literal(1),
  labs: v.record(
    v.string(),
    v.object({
      state: v.picklist(['new', 'started', 'passed']),
      checksPassed: v.number(),
      checksTotal: v.number(),
      predictions: v.record(v.string(), v.string()),
    }),
  ),
});
type ProgressFile = v.InferOutput<typeof ProgressSchema>;
type LabEntry = ProgressFile['labs'][string];

const EMPTY: ProgressFile = { format: 1, labs: {} };

export class Progress {
  readonly #storage: Storage;
  #file: ProgressFile;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#file = load(storage.read(KEY));
  }

  of(labId: string, checksTotal: number): LabProgress {
    const entry = this.#file.labs[labId];
    return {
      state: entry?.state ?? 'new',
      checksPassed: Math.min(entry?.checksPassed ?? 0, checksTotal),
      checksTotal,
    };
  }

  opened(labId: string): void {
    const entry = this.#entry(labId);
    if (entry.state === 'new') {
      this.#put(labId, { ...entry, state: 'started' });
    }
  }

  /** Passed once stays passed; the count shows the latest run. */
  graded(labId: string, checksPassed: number, checksTotal: number): void {
    const entry = this.#entry(labId);
    const isPassed = checksTotal > 0 && checksPassed === checksTotal;
    this.#put(labId, {
      ...entry,
      state: isPassed || entry.state === 'passed' ? 'passed' : 'started',
      checksPassed: Math.max(checksPassed, entry.state === 'passed' ? entry.checksPassed : 0),
      checksTotal,
    });
  }

  predicted(labId: string, predictId: string, answer: string): void {
    const entry = this.#entry(labId);
    this.#put(labId, { ...entry, predictions: { ...entry.predictions, [predictId]: answer } });
  }

  reset(labId?: string): void {
    const { [labId ?? '']: _removed, ...others } = this.#file.labs;
    this.#file = { format: 1, labs: labId === undefined ? {} : others };
    this.#store();
  }

  #entry(labId: string): LabEntry {
    return (
      this.#file.labs[labId] ?? { state: 'new', checksPassed: 0, checksTotal: 0, predictions: {} }
    );
  }

  #put(labId: string, entry: LabEntry): void {
    this.#file = { format: 1, labs: { ...this.#file.labs, [labId]: entry } };
    this.#store();
  }

  #store(): void {
    this.#storage.write(KEY, `${JSON.stringify(this.#file, null, 1)}\n`);
  }
}

/** A file that does not fit starts over: progress is worth less than being able to open the lab. */
function load(text: string | null): ProgressFile {
  if (text === null) {
    return EMPTY;
  }
  try {
    const parsed = v.safeParse(ProgressSchema, JSON.parse(text));
    return parsed.success ? parsed.output : EMPTY;
  } catch {
    return EMPTY;
  }
}
