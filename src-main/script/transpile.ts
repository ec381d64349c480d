/**
 * Learner TypeScript to instrumented JavaScript: hooks are spliced into the source on the same line, then the types are
 * blanked in place. No line ever moves, and columns are mapped back, so no source map is needed.
 */
import { blankSourceFile } from 'ts-blank-space';
import ts from 'typescript';
import { readModuleFacts } from './module-facts.ts';
import type { ModuleFacts } from './module-facts.ts';
import { parseSource, parseValid } from './parse-source.ts';
import { findProbes } from './probes.ts';
import type { ScriptProblem, ScriptProblemCode } from './script-problem.ts';
import { SourceEdits } from './source-edits.ts';
import type { EditedSource, TextPosition } from './source-edits.ts';
import { hookStatements } from './statement-hooks.ts';
import type { HookNumbers } from './statement-hooks.ts';

export interface ScriptSource {
  readonly path: string;
  readonly source: string;
}

/** A place where a script can stop. */
export interface ScriptStatement {
  /** Unique over all files of a run. */
  readonly id: number;
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  /** Unique over all files; the module body of a file is the first of its functions. */
  readonly functionIndex: number;
  /** Variables in reach up to the module's own, innermost first. */
  readonly names: readonly string[];
  readonly hasAwait: boolean;
  /** A `debugger` statement: a breakpoint in the text. */
  readonly isDebugger: boolean;
}

export interface ScriptProbe {
  readonly id: number;
  readonly path: string;
  readonly line: number;
}

export interface TranspiledScript {
  readonly path: string;
  readonly js: string;
  readonly statements: readonly ScriptStatement[];
  readonly probes: readonly ScriptProbe[];
  /** How many functions the file has, its body included. */
  readonly functionCount: number;
  readonly moduleNames: readonly string[];
  readonly facts: ModuleFacts;
  readonly problems: readonly ScriptProblem[];
  readonly syntaxTree: ts.SourceFile;
  /** Where a place the engine reports is in the source. */
  readonly positions: EditedSource;
}

export interface TranspileNumbers extends HookNumbers {
  readonly firstFunction: number;
}

const FIRST_FILE: TranspileNumbers = {
  firstStatement: 0,
  firstFunction: 0,
  firstProbe: 0,
  moduleIndex: 0,
};

export function transpile(
  { path, source }: ScriptSource,
  numbers: TranspileNumbers = FIRST_FILE,
): TranspiledScript {
  const { file, errors } = parseSource(path, source);
  const facts = readModuleFacts(file);
  const problems = errors.map(({ offset, message }) => problemAt(file, offset, 'syntax', message));
  if (problems.length > 0) return unusable(file, facts, problems);

  const probes = findProbes(file);
  const hooked = hookStatements(file, facts, probes, numbers);
  const edited = hooked.edits.apply(source);
  problems.push(...decoratorProblems(file));
  const spliced = parseValid(path, edited.text);
  const js = blankSourceFile(spliced, (node) => {
    const offset = edited.sourceOffset(node.getStart(spliced));
    problems.push(problemAt(file, offset, 'unsupported-syntax', unsupportedMessage(node)));
  });
  for (const offset of probes.empty) {
    const message = 'This // ? has no value to show: put it behind a statement or an expression';
    problems.push(problemAt(file, offset, 'probe-without-value', message, 'warning'));
  }
  return {
    path,
    js,
    statements: hooked.statements.map((statement, index) => ({
      id: numbers.firstStatement + index,
      path,
      ...positionOf(file, statement.start),
      endLine: positionOf(file, statement.end).line,
      functionIndex: numbers.firstFunction + statement.functionIndex,
      names: statement.names,
      hasAwait: statement.hasAwait,
      isDebugger: statement.isDebugger,
    })),
    probes: hooked.probes.map((probe, index) => ({
      id: numbers.firstProbe + index,
      path,
      line: positionOf(file, probe.comment).line,
    })),
    functionCount: hooked.functionCount,
    moduleNames: hooked.moduleNames,
    facts,
    problems,
    syntaxTree: file,
    positions: edited,
  };
}

export function positionOf(file: ts.SourceFile, offset: number): TextPosition {
  const { line, character } = file.getLineAndCharacterOfPosition(offset);
  return { line: line + 1, column: character + 1 };
}

export function problemAt(
  file: ts.SourceFile,
  offset: number,
  code: ScriptProblemCode,
  message: string,
  severity: ScriptProblem['severity'] = 'error',
): ScriptProblem {
  return { path: file.fileName, ...positionOf(file, offset), message, code, severity };
}

function decoratorProblems(file: ts.SourceFile): ScriptProblem[] {
  const problems: ScriptProblem[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isDecorator(node)) {
      const message = 'Decorators are not supported in lab scripts';
      problems.push(problemAt(file, node.getStart(file), 'unsupported-syntax', message));
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return problems;
}

function unsupportedMessage(node: ts.Node): string {
  const rest = 'not supported in lab scripts';
  if (ts.isEnumDeclaration(node)) {
    return `enum is ${rest}: use an object of constants, const Name = { A: 0 } as const`;
  }
  if (ts.isModuleDeclaration(node)) return `namespace is ${rest}: use a file of its own`;
  if (ts.isModifier(node)) {
    return `Parameter properties are ${rest}: declare the field and assign it in the constructor`;
  }
  if (ts.isImportEqualsDeclaration(node)) return `import = is ${rest}: use import ... from`;
  if (ts.isExportAssignment(node)) return `export = is ${rest}: use export default`;
  if (ts.isTypeAssertionExpression(node)) return `<T>value is ${rest}: write value as T`;
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
    return 'Without the type this expression would mean something else: put it in parentheses';
  }
  return `This syntax is ${rest}`;
}

/** What is left of a file that cannot be read. */
function unusable(
  file: ts.SourceFile,
  facts: ModuleFacts,
  problems: readonly ScriptProblem[],
): TranspiledScript {
  return {
    path: file.fileName,
    js: '',
    statements: [],
    probes: [],
    functionCount: 1,
    moduleNames: [],
    facts,
    problems,
    syntaxTree: file,
    positions: new SourceEdits().apply(file.text),
  };
}
