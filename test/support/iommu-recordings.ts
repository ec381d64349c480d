/**
 * Recorded experiments with remapping units: a few in the tree, written by hand, and those beside the checkout in
 * `../shared/conformance` where that folder exists.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseCaseLine, type IommuCase } from '../../src-main/services/iommu-case/case-format.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
export const KEPT_FILE = path.join(ROOT, 'test/conformance/cases.jsonl');
export const SHARED_FOLDER = path.resolve(ROOT, '../shared/conformance');

export interface RecordedCase {
  readonly file: string;
  readonly case: IommuCase;
  /** Everything that the line says, also what a replay does not ask for. */
  readonly json: { readonly tags?: readonly string[] };
}

/** Files with recordings: the kept one first, so that there is always one. */
export function recordingFiles(): readonly string[] {
  const shared = existsSync(SHARED_FOLDER)
    ? readdirSync(SHARED_FOLDER)
        .filter((name) => /\.jsonl(\.gz)?$/.test(name))
        .sort()
        .map((name) => path.join(SHARED_FOLDER, name))
    : [];
  return [KEPT_FILE, ...shared];
}

export function linesOf(file: string): readonly string[] {
  const bytes = readFileSync(file);
  const text = file.endsWith('.gz') ? gunzipSync(bytes).toString() : bytes.toString();
  return text.split('\n').filter((line) => line.trim() !== '');
}

export function casesOf(file: string): readonly RecordedCase[] {
  return linesOf(file).map((line, i) => {
    const parsed = parseCaseLine(file, i + 1, line);
    if ('problem' in parsed) {
      throw new Error(`${file}:${i + 1} ${parsed.problem.message}`);
    }
    return { file, case: parsed.case, json: JSON.parse(line) as RecordedCase['json'] };
  });
}

/** Index of the shared recordings; undefined where there are none. */
export function sharedIndex(): { readonly files: Readonly<Record<string, number>> } | undefined {
  const file = path.join(SHARED_FOLDER, 'INDEX.json');
  return existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as ReturnType<typeof sharedIndex>)
    : undefined;
}

/** Names in the table of departures; none where the page is not there. */
export function sharedDepartures(): readonly string[] {
  const file = path.join(SHARED_FOLDER, 'departures.md');
  if (!existsSync(file)) {
    return [];
  }
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([A-Z0-9-]+)`/g)])
    .map((match) => match[1] as string);
}
