import { runWithProjectNode } from './bootstrap.mjs';

runWithProjectNode('build/scripts/build.ts');
