/** Types of the SDK modules for the editor, and a check that they tell the truth. */
import ts from 'typescript';
import { consoleModule } from '../script-console.ts';
import { declaredNames, hasModifier } from '../module-facts.ts';
import type { SdkModule } from './sdk-module.ts';

export interface TypeFile {
  /** Virtual path for the editor, such as `sdk/linux/pci.d.ts`. */
  readonly path: string;
  readonly text: string;
}

/** One d.ts per module, plus the global `console`. */
export function collectTypes(modules: readonly SdkModule[]): readonly TypeFile[] {
  return [consoleModule, ...modules].map((module) => ({
    path: `sdk/${module.name}.d.ts`,
    text: ambientText(module),
  }));
}

function ambientText({ name, types, globalName }: SdkModule): string {
  const body = types
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n')
    // Inside `declare module`, a second `declare` is an error.
    .replaceAll(/^( *export) declare /gm, '$1 ')
    .replaceAll(/^( *)declare /gm, '$1');
  const global =
    globalName === undefined ? '' : `declare const ${globalName}: typeof import('${name}');\n`;
  return `declare module '${name}' {\n${body}\n}\n${global}`;
}

/** Where a module's types and its functions and constants differ; for the tests of each SDK module. */
export function typeProblems({ name, types, functions, constants }: SdkModule): readonly string[] {
  const file = ts.createSourceFile(`${name}.d.ts`, types, ts.ScriptTarget.ESNext, true);
  const declared = new Set<string>();
  const problems: string[] = [];
  for (const statement of file.statements) {
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) continue;
    if (!hasModifier(statement, ts.SyntaxKind.ExportKeyword)) continue;
    const names = declaredNames(statement);
    const isDocumented = ts.getJSDocCommentsAndTags(statement).length > 0;
    for (const value of names) {
      declared.add(value);
      if (!isDocumented) problems.push(`${name}: ${value} has no documentation`);
    }
  }
  const real = new Set([...Object.keys(functions), ...Object.keys(constants)]);
  for (const value of real) {
    if (!declared.has(value)) problems.push(`${name}: ${value} is not declared in the types`);
  }
  for (const value of declared) {
    if (!real.has(value)) problems.push(`${name}: ${value} is declared but does not exist`);
  }
  return problems;
}
