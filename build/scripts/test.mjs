import { runWithProjectNode } from './bootstrap.mjs';

runWithProjectNode('build/scripts/run-tests.ts');
