import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { runWithProjectNode } from './bootstrap.mjs';

// The server restarts on every change below src-main; the open page must stay welcome.
process.env.SIOV_LAB_TOKEN ??= randomBytes(24).toString('base64url');
runWithProjectNode('build/scripts/dev-server.ts', [
  '--watch-path=src-main',
  '--watch-path=labs',
  '--watch-preserve-output',
]);
