/** Kinds of trace records that no test produces: the notes of a test run against the catalogue of `spec/events`. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventCatalogue } from '../../src-main/spec/events/event.ts';

const EVENT_FILES = 'src-main/spec/events/*.ts';

/** `folder` holds what `test/support/collect-event-kinds.ts` wrote: one list a test file. */
export async function unproducedKinds(root: string, folder: string): Promise<readonly string[]> {
  for (const file of globSync(EVENT_FILES, { cwd: root })) {
    await import(pathToFileURL(path.join(root, file)).href);
  }
  const produced = new Set(
    globSync('*.json', { cwd: folder }).flatMap(
      (file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as string[],
    ),
  );
  return eventCatalogue()
    .map((event) => event.kind)
    .filter((kind) => !produced.has(kind));
}
