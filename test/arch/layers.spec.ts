import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

interface CruiseReport {
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

/** A small tree in which every import below `planted` breaks one rule, and no other import does. */
const innocent: Readonly<Record<string, string>> = {
  'src-main/bits/u32.ts': 'export const one = 1;\n',
  'src-main/sim/index.ts':
    "import { one } from '../bits/u32.ts';\nexport interface Machine { readonly name: string }\nexport const machine = one;\n",
  'src-main/sim/iommu/walk.ts': 'export const walk = 1;\n',
  'src-main/linux/mdev.ts':
    "import { machine } from '../sim/index.ts';\nexport const mdev = machine;\n",
  'src-main/services/session.ts': 'export const session = 1;\n',
  'src-main/spec/table.ts': 'export const table = 1;\n',
};

const planted: readonly {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly reported: string;
}[] = [
  {
    name: 'sim importing node:fs',
    files: {
      'src-main/sim/core/leak.ts':
        "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
    },
    reported: 'not-in-allowed: src-main/sim/core/leak.ts -> fs',
  },
  {
    name: 'the renderer importing sim',
    files: {
      'src-renderer/main.ts':
        "import { machine } from '../src-main/sim/index.ts';\nexport const m = machine;\n",
    },
    reported: 'not-in-allowed: src-renderer/main.ts -> src-main/sim/index.ts',
  },
  {
    name: 'a .vue file importing services',
    files: {
      'src-renderer/App.vue':
        '<script setup lang="ts">\nimport { session } from \'../src-main/services/session.ts\';\n</script>\n<template>{{ session }}</template>\n',
    },
    reported: 'not-in-allowed: src-renderer/App.vue -> src-main/services/session.ts',
  },
  {
    name: 'a type-only import going up',
    files: {
      'src-main/bits/upward.ts':
        "import type { Machine } from '../sim/index.ts';\nexport type M = Machine;\n",
    },
    reported: 'not-in-allowed: src-main/bits/upward.ts -> src-main/sim/index.ts',
  },
  {
    name: 'linux reaching past the door of sim',
    files: {
      'src-main/linux/iommu.ts':
        "import { walk } from '../sim/iommu/walk.ts';\nexport const w = walk;\n",
    },
    reported: 'not-in-allowed: src-main/linux/iommu.ts -> src-main/sim/iommu/walk.ts',
  },
  {
    name: 'hardware knowing software',
    files: {
      'src-main/sim/devices/dsa.ts':
        "import { mdev } from '../../linux/mdev.ts';\nexport const d = mdev;\n",
    },
    reported: 'not-in-allowed: src-main/sim/devices/dsa.ts -> src-main/linux/mdev.ts',
  },
  {
    name: 'protocol running code of spec',
    files: {
      'src-main/protocol/leak.ts':
        "import { table } from '../spec/table.ts';\nexport const t = table;\n",
    },
    reported:
      'protocol-uses-types-of-spec-only: src-main/protocol/leak.ts -> src-main/spec/table.ts',
  },
  {
    name: 'a cycle',
    files: {
      'src-main/bits/a.ts': "import { b } from './b.ts';\nexport const a = (): number => b();\n",
      'src-main/bits/b.ts': "import { a } from './a.ts';\nexport const b = (): number => a();\n",
    },
    reported: 'no-circular: src-main/bits/a.ts -> src-main/bits/b.ts',
  },
  {
    name: 'an import of nothing',
    files: { 'src-main/bits/c.ts': "import { b } from './gone.ts';\nexport const c = b;\n" },
    reported: 'no-unresolvable: src-main/bits/c.ts -> ./gone.ts',
  },
];

let folder = '';
let violations: readonly string[] = [];

/** Runs the project's own layer check over the tree. */
function cruise(cwd: string): Promise<CruiseReport> {
  const tool = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const config = path.join(root, '.dependency-cruiser.cjs');
  const args = [tool, '--config', config, '--output-type', 'json', 'src-main', 'src-renderer'];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd }, (error, stdout, stderr) => {
      if (stdout === '') {
        reject(new Error(`Layer check printed nothing: ${stderr}`, { cause: error }));
      } else {
        resolve(JSON.parse(stdout) as CruiseReport);
      }
    });
  });
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'siov-layers-'));
  const files = Object.assign({}, innocent, ...planted.map((plant) => plant.files));
  for (const [name, text] of Object.entries(files as Record<string, string>)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const report = await cruise(folder);
  violations = report.summary.violations.map(
    ({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`,
  );
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('layer check', () => {
  it.each(planted)('reports $name', ({ reported }) => {
    expect(violations).toContain(reported);
  });

  it('reports nothing else', () => {
    const blamed = new Set(planted.flatMap((plant) => Object.keys(plant.files)));
    const others = violations.filter((line) => {
      const from = /: (\S+) ->/.exec(line)?.[1];
      return from === undefined || !blamed.has(from);
    });
    expect(others).toEqual([]);
  });
});
