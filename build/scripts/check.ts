/** `npm run check`: all that a change must pass besides its tests. Names as arguments choose some. */
import path from 'node:path';
import { runChecks, sourceChecks } from './checks.ts';

const root = path.resolve(import.meta.dirname, '../..');
const wanted = process.argv.slice(2);
const known = sourceChecks(root);
const unknown = wanted.filter((name) => !known.some((check) => check.name === name));
if (unknown.length > 0) {
  const names = known.map((check) => check.name).join(', ');
  console.error(`Expected one of ${names}, found ${unknown.join(', ')}`);
  process.exit(2);
}

const chosen = wanted.length === 0 ? known : known.filter((check) => wanted.includes(check.name));
const outcomes = await runChecks(root, chosen);
process.exitCode = outcomes.every((outcome) => outcome.isPassed) ? 0 : 1;
