import { runWithProjectNode } from './bootstrap.mjs';

runWithProjectNode('build/scripts/launch.ts');
