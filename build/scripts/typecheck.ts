/** Type-checks each layer with its own library set. `npm run typecheck -- pure` checks one. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

const projects: Readonly<Record<string, { readonly compiler: string; readonly needs: string }>> = {
  pure: { compiler: 'typescript/bin/tsc', needs: 'src-main/bits/**/*.ts' },
  node: { compiler: 'typescript/bin/tsc', needs: 'build/**/*.ts' },
  preload: { compiler: 'typescript/bin/tsc', needs: 'src-main/preload/**/*.ts' },
  web: { compiler: 'vue-tsc/bin/vue-tsc.js', needs: 'src-renderer/**/*.{ts,vue}' },
  test: { compiler: 'typescript/bin/tsc', needs: 'test/**/*.ts' },
  'test-page': { compiler: 'typescript/bin/tsc', needs: 'test/e2e/**/*.ts' },
  'test-web': { compiler: 'vue-tsc/bin/vue-tsc.js', needs: 'test/unit/renderer/**/*.ts' },
};

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(projects);
let failures = 0;

for (const name of names) {
  const project = projects[name];
  if (project === undefined) {
    console.error(`Expected one of ${Object.keys(projects).join(', ')}, found ${name}`);
    process.exit(2);
  }
  if (globSync(project.needs, { cwd: root }).length === 0) continue;
  const { status } = spawnSync(
    process.execPath,
    [
      path.join(root, 'node_modules', project.compiler),
      '-p',
      path.join(root, `build/tsconfig/${name}.json`),
      '--incremental',
      '--tsBuildInfoFile',
      path.join(root, `node_modules/.cache/tsc/${name}.tsbuildinfo`),
    ],
    { cwd: root, stdio: 'inherit' },
  );
  if (status !== 0) failures += 1;
}

process.exit(failures === 0 ? 0 : 1);
