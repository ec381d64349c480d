/**
 * Which module a specifier means: another of the learner's files, or an SDK module; and, before anything runs, whether
 * every import finds its module and every imported name its export.
 */
import { HOOKS_MODULE } from './guest-prelude.ts';
import type { ModuleImport } from './module-facts.ts';
import { suggestion } from './script-problem.ts';
import type { ScriptProblem } from './script-problem.ts';
import type { SdkModule } from './sdk/sdk-module.ts';
import { problemAt } from './transpile.ts';
import type { TranspiledScript } from './transpile.ts';

export type Resolution =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'sdk'; readonly module: SdkModule }
  | { readonly kind: 'unknown'; readonly message: string };

/** Prefix of names that belong to the lab itself. */
const INTERNAL = HOOKS_MODULE.slice(0, HOOKS_MODULE.indexOf(':') + 1);

export class ModuleGraph {
  readonly #files: ReadonlyMap<string, TranspiledScript>;
  readonly #modules: ReadonlyMap<string, SdkModule>;

  constructor(files: readonly TranspiledScript[], modules: readonly SdkModule[]) {
    this.#files = new Map(files.map((file) => [file.path, file]));
    this.#modules = new Map(modules.map((module) => [module.name, module]));
  }

  resolve(importer: string, specifier: string): Resolution {
    if (specifier.startsWith(INTERNAL)) {
      return { kind: 'unknown', message: `${specifier} belongs to the lab and cannot be imported` };
    }
    if (isRelative(specifier)) return this.#resolveFile(importer, specifier);
    const module = this.#modules.get(specifier);
    if (module !== undefined) return { kind: 'sdk', module };
    const hint = suggestion(specifier, [
      ...this.#modules.keys(),
      ...[...this.#files.keys()].map((path) => `./${path}`),
    ]);
    return { kind: 'unknown', message: `There is no module ${specifier}${hint}` };
  }

  problems(): readonly ScriptProblem[] {
    return [...this.#files.values()].flatMap((file) =>
      file.facts.imports.flatMap((entry) => this.#importProblems(file, entry)),
    );
  }

  #resolveFile(importer: string, specifier: string): Resolution {
    const wanted = joinPath(importer, specifier);
    const stem = wanted.replace(/\.(ts|js)$/, '');
    for (const path of [wanted, `${stem}.ts`, `${wanted}.ts`]) {
      if (this.#files.has(path)) return { kind: 'file', path };
    }
    const others = [...this.#files.keys()].filter((path) => path !== importer);
    const hint = suggestion(`${stem}.ts`, others);
    const list = hint === '' && others.length > 0 ? `; the lab has ${others.join(', ')}` : hint;
    return { kind: 'unknown', message: `There is no file ${wanted}${list}` };
  }

  #importProblems(file: TranspiledScript, entry: ModuleImport): readonly ScriptProblem[] {
    const { specifier, offset } = entry;
    const target = this.resolve(file.path, specifier);
    if (target.kind === 'unknown') {
      const code = specifier.startsWith(INTERNAL) ? 'reserved-module' : 'unknown-module';
      return [problemAt(file.syntaxTree, offset, code, target.message)];
    }
    const names = target.kind === 'sdk' ? sdkExports(target.module) : this.#exportsOf(target.path);
    return entry.names
      .filter(({ imported }) => imported !== '*' && !names.has(imported))
      .map(({ imported, offset: at }) => {
        const message = this.#missingExport(specifier, target, imported, names);
        return problemAt(file.syntaxTree, at, 'unknown-export', message);
      });
  }

  #missingExport(
    specifier: string,
    target: Resolution,
    name: string,
    names: ReadonlySet<string>,
  ): string {
    const file = target.kind === 'file' ? this.#files.get(target.path) : undefined;
    const isType =
      target.kind === 'sdk'
        ? declaresType(target.module.types, name)
        : file?.facts.exportedTypes.has(name);
    if (isType === true) return `${name} is a type in ${specifier} and has no value`;
    if (name === 'default') return `${specifier} has no default export: write import { name } from`;
    return `${specifier} does not export ${name}${suggestion(name, names)}`;
  }

  /** Value exports of a file, those of `export *` included. */
  #exportsOf(path: string, seen = new Set<string>()): ReadonlySet<string> {
    const file = this.#files.get(path);
    if (file === undefined || seen.has(path)) return new Set();
    seen.add(path);
    const names = new Set(file.facts.exports);
    for (const specifier of file.facts.starExports) {
      const target = this.resolve(path, specifier);
      const more =
        target.kind === 'sdk'
          ? sdkExports(target.module)
          : target.kind === 'file'
            ? this.#exportsOf(target.path, seen)
            : [];
      for (const name of more) if (name !== 'default') names.add(name);
    }
    return names;
  }
}

export function sdkExports(module: SdkModule): ReadonlySet<string> {
  return new Set([...Object.keys(module.functions), ...Object.keys(module.constants)]);
}

function declaresType(types: string, name: string): boolean {
  const escaped = name.replaceAll('$', '\\$');
  return new RegExp(`\\b(?:interface|type)\\s+${escaped}(?![\\w$])`).test(types);
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../');
}

/** `specifier` seen from the folder of `importer`. */
function joinPath(importer: string, specifier: string): string {
  const parts = importer.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
