/** Loads every module of `src-main/spec` and collects what it declares. Overlap, gaps and duplicates throw on load. */
import { globSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Field, Layout } from '../../src-main/bits/layout.ts';
import type { Register, RegisterBlock } from '../../src-main/bits/register-block.ts';
import { declaredStructures, type Structure } from '../../src-main/bits/structure.ts';
import { declaredCapabilities, type Capability } from '../../src-main/spec/pcie/capability.ts';

const root = path.resolve(import.meta.dirname, '../..');

export interface SpecDeclarations {
  /** Paths from the repository root. */
  readonly modules: readonly string[];
  readonly structures: readonly Structure[];
  /** Exported or part of an exported table, block or capability; each once. */
  readonly registers: readonly Register[];
  readonly blocks: readonly RegisterBlock[];
  readonly capabilities: readonly Capability[];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isLayout(value: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(value['fields']) && typeof value['widthBits'] === 'number';
}

function isRegister(value: unknown): value is Register {
  return isObject(value) && isLayout(value) && typeof value['offset'] === 'number';
}

function isBlock(value: unknown): value is RegisterBlock {
  return isObject(value) && Array.isArray(value['registers']) && typeof value['name'] === 'string';
}

/** Tables of registers are at most this deep inside an export. */
const DEPTH = 3;

interface Found {
  readonly registers: Set<Register>;
  readonly blocks: Set<RegisterBlock>;
  readonly structureNames: Set<string>;
}

function collect(value: unknown, into: Found): void {
  const visit = (item: unknown, depth: number): void => {
    if (!isObject(item) || depth === 0) {
      return;
    }
    if (isRegister(item)) {
      into.registers.add(item);
      return;
    }
    if (isLayout(item)) {
      into.structureNames.add(String(item['name']));
      visit(item['padded'], depth - 1);
      return;
    }
    if (isBlock(item)) {
      into.blocks.add(item);
    }
    for (const part of Object.values(item)) {
      visit(part, depth - 1);
    }
  };
  visit(value, DEPTH);
}

/** Declarations exported by the modules of the given folders, all by default. */
export async function loadSpec(folders = '**'): Promise<SpecDeclarations> {
  const modules = globSync(`src-main/spec/${folders}/*.ts`, { cwd: root }).sort();
  const found: Found = { registers: new Set(), blocks: new Set(), structureNames: new Set() };
  for (const module of modules) {
    const url = pathToFileURL(path.join(root, module)).href;
    const exported = (await import(url)) as Readonly<Record<string, unknown>>;
    for (const value of Object.values(exported)) {
      collect(value, found);
    }
  }
  return {
    modules,
    structures: declaredStructures().filter((d) => found.structureNames.has(d.name)),
    registers: [...found.registers],
    blocks: [...found.blocks],
    capabilities: declaredCapabilities(),
  };
}

function fieldProblems(owner: string, field: Field): readonly string[] {
  const { spec, name } = field;
  const problems: string[] = [];
  const values = Object.values(spec.values ?? {});
  if (spec.title === '') {
    problems.push(`${owner}.${name} has no title`);
  }
  if (new Set(values).size !== values.length) {
    problems.push(`${owner}.${name} names a value twice`);
  }
  if (spec.reset !== undefined) {
    const stored = BigInt(spec.reset) >> BigInt(spec.addressShift);
    if (stored < 0n || stored >> BigInt(field.width) !== 0n) {
      problems.push(`${owner}.${name}: reset value does not fit`);
    }
  }
  return problems;
}

interface Titled extends Pick<Layout<never>, 'fields'> {
  readonly name: string;
  readonly title: string;
  readonly source: { readonly document: string; readonly section: string };
}

/** What loading cannot refuse: missing titles and sources, ambiguous values, reset values that do not fit. */
export function specProblems(spec: SpecDeclarations): readonly string[] {
  const all: readonly Titled[] = [...spec.structures, ...spec.registers];
  return all.flatMap((declared) => [
    ...(declared.title === '' ? [`${declared.name} has no title`] : []),
    ...(declared.source.document === '' || declared.source.section === ''
      ? [`${declared.name} has no source`]
      : []),
    ...declared.fields.flatMap((f) => fieldProblems(declared.name, f)),
  ]);
}
