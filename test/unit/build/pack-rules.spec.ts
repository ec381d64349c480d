import { describe, expect, it } from 'vitest';
import type { AsarEntry } from '../../../build/checks/asar-listing.ts';
import { packProblems } from '../../../build/checks/pack-rules.ts';

const inside = (path: string): AsarEntry => ({ path, size: 10, isUnpacked: false });
const outside = (path: string): AsarEntry => ({ path, size: 10, isUnpacked: true });

const good = [
  outside('package.json'),
  inside('LICENSE'),
  inside('out/main/electron.js'),
  outside('out/main/machine-worker.js'),
  outside('out/main/chunks/session-abc.js'),
  outside('out/main/quickjs.wasm'),
  inside('out/main/icon.png'),
  inside('out/preload/preload.cjs'),
  inside('out/renderer/index.html'),
  outside('out/labs/010-hello/lab.md'),
];

describe('packProblems', () => {
  it('finds nothing wrong with what we ship', () => {
    expect(packProblems(good, ['010-hello'])).toEqual([]);
  });

  it.each(good.map(({ path }) => path).filter((path) => !path.includes('chunks')))(
    'misses %s',
    (path) => {
      const rest = good.filter((entry) => entry.path !== path);
      expect(packProblems(rest, ['010-hello'])).toEqual([
        `Expected ${path} in the package, found none`,
      ]);
    },
  );

  it.each(['out/main/machine-worker.js', 'out/main/chunks/session-abc.js', 'package.json'])(
    'wants %s outside the archive',
    (path) => {
      const packed = good.map((entry) => (entry.path === path ? inside(path) : entry));
      expect(packProblems(packed, [])).toEqual([
        `Expected ${path} outside the archive, found it inside`,
      ]);
    },
  );

  it.each([
    'node_modules/vue/index.js',
    'out/main/electron.js.map',
    'src-main/sim/index.ts',
    'out/renderer/.env',
    'test/unit/x.spec.ts',
  ])('wants no %s', (path) => {
    expect(packProblems([...good, inside(path)], [])).toEqual([
      `Expected no ${path} in the package, found it`,
    ]);
  });

  it('wants it small', () => {
    const huge = { path: 'out/main/huge.js', size: 61 << 20, isUnpacked: false };
    expect(packProblems([...good, huge], [])).toHaveLength(1);
  });
});
