import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { AppError } from '../../protocol/app-error.ts';
import type { LabSource } from '../../services/ports.ts';

/** A lab's folder carries its definition; anything else beside the labs is not one. */
const DEFINITION = 'lab.md';
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Lab packages in a folder, one below the other. */
export function createLabFiles(folder: string): LabSource {
  const fileOf = (lab: string, name: string): string => {
    const names = [lab, ...name.split('/')];
    if (names.every((part) => PLAIN_NAME.test(part))) return path.join(folder, ...names);
    throw new AppError('ERR_LAB_FILE_NAME', `Expected a file of lab ${lab}, found ${name}`);
  };
  const read = (lab: string, name: string): Buffer => {
    try {
      return readFileSync(fileOf(lab, name));
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError('ERR_LAB_FILE_NOT_FOUND', `Lab ${lab} has no file ${name}`, {
        cause: error,
      });
    }
  };

  return {
    labs: () =>
      listNames(folder, 'folders')
        .filter((name) => listNames(path.join(folder, name), 'files').includes(DEFINITION))
        .toSorted(),
    files: (lab) => listFiles(path.dirname(fileOf(lab, DEFINITION)), ''),
    readText: (lab, name) => read(lab, name).toString('utf8'),
    readCourseText: (name) => {
      const isPlain = name.split('/').every((part) => PLAIN_NAME.test(part));
      const file = path.join(folder, name);
      return isPlain && existsSync(file) ? readFileSync(file, 'utf8') : null;
    },
    readBytes: (lab, name) => Uint8Array.from(read(lab, name)),
  };
}

function listNames(folder: string, wanted: 'files' | 'folders'): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => (wanted === 'files' ? entry.isFile() : entry.isDirectory()))
    .map((entry) => entry.name)
    .filter((name) => PLAIN_NAME.test(name));
}

function listFiles(folder: string, prefix: string): string[] {
  const below = listNames(folder, 'folders').flatMap((name) =>
    listFiles(path.join(folder, name), `${prefix}${name}/`),
  );
  return [...listNames(folder, 'files').map((name) => prefix + name), ...below].toSorted();
}
