import process from 'node:process';
import { runWithProjectNode } from './bootstrap.mjs';

// The test takes the pictures in every run; with this it keeps them in docs/screenshots.
process.env.SIOV_LAB_SCREENSHOTS = '1';
process.argv.push('test/e2e/screenshots.e2e.ts');
runWithProjectNode('build/scripts/run-tests.ts');
