/**
 * What must work before anything is installed: plain JavaScript for the system's Node 20 or newer,
 * without a single dependency. Installs the locked packages when they are missing or stale, then
 * runs the real script with the project's own Node. All talk goes to stderr.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const NODE_MAJOR = 24;

/** @param {string} root */
function nodeBinary(root) {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  return path.join(root, 'node_modules/node/bin', name);
}

/** @param {string} file */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return null;
  }
}

/**
 * Why the installed packages do not match the lock file, or null when they do.
 *
 * @param {string} root
 * @returns {string | null}
 */
export function staleReason(root) {
  const wanted = readPackages(path.join(root, 'package-lock.json'));
  if (wanted === null) {
    throw new Error('Expected package-lock.json beside package.json, found none');
  }
  const installed = readPackages(path.join(root, 'node_modules/.package-lock.json'));
  if (installed === null) return 'no packages are installed';
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === '' || entry.optional === true || entry.link === true) continue;
    const found = installed[name];
    if (found === undefined) return `${name} is missing`;
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${name} is ${found.version}, the lock file says ${entry.version}`;
    }
  }
  if (!existsSync(nodeBinary(root))) return `the Node ${NODE_MAJOR} binary is missing`;
  return null;
}

/** @param {string} root */
function install(root) {
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js')
    ? [process.execPath, [npm, 'ci']]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci']];
  // stdout belongs to the command that was asked for, so npm talks on stderr.
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32' && npm === undefined,
  });
  if (status !== 0) {
    throw new Error('Expected `npm ci` to succeed; its messages above say why it did not');
  }
}

/** @param {string} root */
export function ensurePackages(root) {
  const reason = staleReason(root);
  if (reason === null) return;
  process.stderr.write(`Installing packages, because ${reason}. This takes about a minute.\n`);
  install(root);
  const still = staleReason(root);
  if (still !== null) throw new Error(`Packages do not fit after \`npm ci\`: ${still}`);
}

/**
 * Runs a script of the project with the project's Node and ends this process as it ends.
 *
 * @param {string} script path from the repository root
 * @param {string[]} [nodeArgs] options for Node itself
 */
export function runWithProjectNode(script, nodeArgs = []) {
  try {
    ensurePackages(projectRoot);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(3);
  }
  const binFolder = path.join(projectRoot, 'node_modules/.bin');
  const child = spawn(
    nodeBinary(projectRoot),
    [...nodeArgs, path.join(projectRoot, script), ...process.argv.slice(2)],
    {
      stdio: 'inherit',
      env: { ...process.env, PATH: `${binFolder}${path.delimiter}${process.env.PATH ?? ''}` },
    },
  );
  // Ctrl-C reaches the whole group: the child ends in its own way, this process waits for it.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`Could not run ${script}: ${error.message}\n`);
    process.exit(3);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? (signal === 'SIGINT' ? 130 : 143));
  });
}
