import { readFile } from 'node:fs/promises';
import path from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

/** Vite puts a hash of the content into these names. */
const HASHED = /^\/assets\/.+-[\w-]{8}\.\w+$/;

export interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly cacheControl: string;
}

/**
 * The file of the built page that a URL path names, or null. Only files below `folder` of a known
 * type have names here.
 */
export async function readPageFile(folder: string, urlPath: string): Promise<PageFile | null> {
  const name = decode(urlPath);
  if (name === null) return null;
  const type = TYPES[path.posix.extname(name)];
  if (type === undefined) return null;
  try {
    const body = Uint8Array.from(await readFile(path.join(folder, name)));
    const isHashed = HASHED.test(name);
    return {
      body,
      type,
      cacheControl: isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    };
  } catch {
    return null;
  }
}

/** The plain path of a request, `/index.html` for the root, or null when it is not plain. */
function decode(urlPath: string): string | null {
  let name: string;
  try {
    name = decodeURIComponent(urlPath);
  } catch {
    return null;
  }
  if (name === '/') return '/index.html';
  const isPlain =
    name.startsWith('/') &&
    !/[\0\\:]/.test(name) &&
    name
      .slice(1)
      .split('/')
      .every((part) => part !== '' && !part.startsWith('.'));
  return isPlain ? name : null;
}
