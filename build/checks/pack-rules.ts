/** What a package must, may and must not hold. */
import type { AsarEntry } from './asar-listing.ts';

const REQUIRED = [
  'package.json',
  'LICENSE',
  'out/main/electron.js',
  'out/main/machine-worker.js',
  'out/main/quickjs.wasm',
  'out/main/icon.png',
  'out/preload/preload.cjs',
  'out/renderer/index.html',
];
/** Worker threads read these, so they must stand outside the archive. */
const UNPACKED = [
  /^package\.json$/,
  /^out\/main\/machine-worker\.js$/,
  /^out\/main\/chunks\//,
  /^out\/main\/quickjs\.wasm$/,
  /^out\/labs\//,
];
const ALLOWED = [/^package\.json$/, /^LICENSE$/, /^out\/(main|preload|renderer|labs)\//];
const FORBIDDEN = [/\.map$/, /(^|\/)node_modules\//, /\.(test|spec)\./, /(^|\/)\.env/];
const MAX_BYTES = 60 << 20;

/** One sentence for each thing that is wrong with the contents; none when they are right. */
export function packProblems(
  entries: readonly AsarEntry[],
  labs: readonly string[],
): readonly string[] {
  const present = new Set(entries.map((entry) => entry.path));
  const required = [...REQUIRED, ...labs.map((lab) => `out/labs/${lab}/lab.md`)];
  const matches = (patterns: readonly RegExp[], name: string): boolean =>
    patterns.some((pattern) => pattern.test(name));
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);

  return [
    ...required
      .filter((name) => !present.has(name))
      .map((name) => `Expected ${name} in the package, found none`),
    ...entries
      .filter(({ path }) => matches(UNPACKED, path))
      .filter(({ isUnpacked }) => !isUnpacked)
      .map(({ path }) => `Expected ${path} outside the archive, found it inside`),
    ...entries
      .filter(({ path }) => !matches(ALLOWED, path) || matches(FORBIDDEN, path))
      .map(({ path }) => `Expected no ${path} in the package, found it`),
    ...(size > MAX_BYTES ? [`Expected at most ${MAX_BYTES} bytes, found ${size}`] : []),
  ];
}
