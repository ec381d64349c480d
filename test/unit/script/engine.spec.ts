import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../../src-main/bits/invariant.ts';
import { compileQuickJs, instantiateQuickJs } from '../../../src-main/script/quickjs-abi.ts';
import { createScriptEngine, createScriptRunner } from '../../../src-main/script/script-runner.ts';
import { loadWasmFromPackage } from '../../../src-main/script/wasm-node.ts';
import { scriptLab } from '../../support/script-lab.ts';

const noImports = {
  hostCall: () => 0 as const,
  interrupt: () => false,
  promiseRejection: () => undefined,
  normalizeModule: () => 0,
  loadModule: () => 0,
};

describe('the engine', () => {
  it('is the version its binary interface was written for', () => {
    const url = new URL('../../../node_modules/quickjs-wasi/package.json', import.meta.url);
    expect((JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version).toBe('3.6.2');
    const engine = instantiateQuickJs(compileQuickJs(loadWasmFromPackage()), noImports);
    expect(engine.qjs_init2(0)).toBe(0);
  });

  it('is refused when its binary lacks an export', () => {
    // A module of the right shape that exports nothing: magic number and version.
    const empty = compileQuickJs(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    expect(() => instantiateQuickJs(empty, noImports)).toThrow(InvariantError);
  });

  it('is compiled once, when it is first needed', () => {
    let loads = 0;
    const engine = createScriptEngine(() => {
      loads += 1;
      return loadWasmFromPackage();
    });
    expect(loads).toBe(0);
    for (let i = 0; i < 3; i++) {
      const file = { path: 'a.ts', source: 'let a = 1', actor: '' };
      const runner = createScriptRunner({
        engine,
        files: [file],
        entry: ['a.ts'],
        modules: [],
        ports: {},
      });
      expect(runner.run()).toEqual({ kind: 'finished' });
    }
    expect(loads).toBe(1);
  });
});

describe('a runner', () => {
  it('runs once', () => {
    const { runner } = scriptLab('let a = 1');
    expect(() => runner.enter(() => undefined)).toThrow('have not run yet');
    runner.run();
    expect(() => runner.run()).toThrow('runs once');
  });

  it('refuses entries that are not there and paths given twice', () => {
    expect(() => scriptLab('', { entry: ['b.ts'] })).toThrow('There is no script file b.ts');
    const file = { path: 'a.ts', source: '', actor: '' };
    expect(() => scriptLab('', { files: [file, file] })).toThrow('the same path');
  });

  it('runs empty files and files of comments and types', () => {
    for (const source of ['', '// nothing', '\n\n', 'type A = 1', '/* x */ ;', 'export {}']) {
      expect(scriptLab(source).run()).toEqual({ kind: 'finished' });
    }
  });

  it('keeps runs apart', () => {
    const first = scriptLab('globalThis.left = 1; Array.prototype.map = null');
    first.run();
    const second = scriptLab('console.log(typeof left, [1].map((x) => x))');
    second.run();
    expect(second.texts()).toEqual(['undefined [1]']);
  });
});
