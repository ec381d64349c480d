#!/usr/bin/env node
import { runWithProjectNode } from './bootstrap.mjs';

runWithProjectNode('src-main/hosts/cli/main.ts');
