/** Reads the table of contents of an asar archive: a pickle with the length of a JSON text, and that text. */
import { openSync, closeSync, readSync } from 'node:fs';

interface AsarNode {
  readonly files?: Readonly<Record<string, AsarNode>>;
  readonly size?: number;
  readonly unpacked?: boolean;
}

export interface AsarEntry {
  readonly path: string;
  readonly size: number;
  readonly isUnpacked: boolean;
}

const PREFIX_BYTES = 16;
const JSON_LENGTH_AT = 12;

export function listAsar(file: string): AsarEntry[] {
  const handle = openSync(file, 'r');
  try {
    const prefix = Buffer.alloc(PREFIX_BYTES);
    readSync(handle, prefix, 0, PREFIX_BYTES, 0);
    const json = Buffer.alloc(prefix.readUInt32LE(JSON_LENGTH_AT));
    readSync(handle, json, 0, json.length, PREFIX_BYTES);
    return flatten(JSON.parse(json.toString('utf8')) as AsarNode, '');
  } finally {
    closeSync(handle);
  }
}

function flatten(node: AsarNode, path: string): AsarEntry[] {
  if (node.files === undefined) {
    return [{ path, size: node.size ?? 0, isUnpacked: node.unpacked === true }];
  }
  return Object.entries(node.files).flatMap(([name, child]) =>
    flatten(child, path === '' ? name : `${path}/${name}`),
  );
}
