/**
 * `npm run check:pack`: packs the program around a stub of Electron, which needs no download, and looks
 * at what would be shipped. electron-builder validates its settings on the way.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isBuilt } from '../scripts/build-stamp.ts';
import { listAsar } from './asar-listing.ts';
import { packProblems } from './pack-rules.ts';

const root = path.resolve(import.meta.dirname, '../..');

function node(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    // No signing identity and no download is looked for.
    env: { ...process.env, CSC_IDENTITY_AUTO_DISCOVERY: 'false' },
  });
  if (status === 0) return;
  throw new Error(`${path.basename(args[0] ?? '')} failed:\n${stdout}${stderr}`);
}

/** Where electron-builder finds the switches of the program: a mark, a version, a length, one byte each. */
const FUSE_MARK = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const FUSE_VERSION = 1;
/** In the order of the bytes; see electronFuses in build/electron-builder.yml. */
const FUSES = {
  runAsNode: 'off',
  cookieEncryption: 'on',
  nodeOptions: 'off',
  nodeInspect: 'off',
  asarIntegrity: 'on',
  onlyLoadAppFromAsar: 'on',
  browserSnapshot: 'on',
  extraFilePrivileges: 'off',
} as const;
const FUSE_ON = 0x31;

/** The least that electron-builder takes for an unpacked Electron; every fuse is on. */
function writeStub(folder: string): void {
  mkdirSync(path.join(folder, 'locales'), { recursive: true });
  mkdirSync(path.join(folder, 'resources'));
  for (const name of ['version', 'LICENSE', 'LICENSES.chromium.html']) {
    writeFileSync(path.join(folder, name), 'stub');
  }
  writeFileSync(path.join(folder, 'locales/en-US.pak'), 'stub');
  const fuses = Object.keys(FUSES).map(() => FUSE_ON);
  writeFileSync(
    path.join(folder, 'electron'),
    Buffer.concat([Buffer.from(FUSE_MARK), Buffer.from([FUSE_VERSION, fuses.length, ...fuses])]),
  );
  chmodSync(path.join(folder, 'electron'), 0o755);
}

function fuseProblems(program: string): readonly string[] {
  const bytes = readFileSync(program);
  const first = bytes.indexOf(FUSE_MARK) + FUSE_MARK.length + 2;
  return Object.entries(FUSES).flatMap(([name, wanted], index) => {
    const found = bytes[first + index] === FUSE_ON ? 'on' : 'off';
    return found === wanted ? [] : [`Expected the fuse ${name} ${wanted}, found it ${found}`];
  });
}

/** Answers the folder of the packed program. */
function pack(folder: string): string {
  const stub = path.join(folder, 'electron');
  const output = path.join(folder, 'dist');
  writeStub(stub);
  node(
    path.join(root, 'node_modules/electron-builder/cli.js'),
    ...['--linux', '--dir', '--publish', 'never'],
    ...['--config', 'build/electron-builder.yml'],
    `-c.electronDist=${stub}`,
    `-c.directories.output=${output}`,
  );
  return path.join(output, 'linux-unpacked');
}

function shippedLabs(): string[] {
  const folder = path.join(root, 'labs');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => existsSync(path.join(folder, name, 'lab.md')));
}

const folder = mkdtempSync(path.join(tmpdir(), 'siov-pack-'));
try {
  if (!isBuilt(root)) node('build/scripts/build.ts');
  const program = pack(folder);
  const entries = listAsar(path.join(program, 'resources/app.asar'));
  const problems = [
    ...packProblems(entries, shippedLabs()),
    ...fuseProblems(path.join(program, 'siov-lab')),
  ];
  for (const problem of problems) console.error(problem);
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  console.log(`${entries.length} files, ${(bytes / (1 << 20)).toFixed(1)} MiB`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
