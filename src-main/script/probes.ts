/**
 * Probes: a comment `// ?` at the end of a line shows a value each time the line runs.
 *
 * It shows, in this order: the value of the statement that ends there (an expression, `return`, `throw`, or the variables
 * a declaration binds); of the condition, parameters or loop variables when the line opens a block; of the outermost
 * expression that ends there.
 */
import ts from 'typescript';
import { bindingNames } from './module-facts.ts';

/** What instrumentation does for one probe. */
export type ProbeTarget =
  /** Wraps an expression. */
  | { readonly kind: 'wrap'; readonly node: ts.Expression; readonly comment: number }
  /** Shows variables behind a statement, or at the start of a block. */
  | {
      readonly kind: 'names';
      readonly at: 'after' | 'inside';
      readonly node: ts.Statement;
      readonly names: readonly string[];
      readonly comment: number;
    };

export interface ProbeScan {
  readonly targets: readonly ProbeTarget[];
  /** Offsets of probe comments that have no value to show. */
  readonly empty: readonly number[];
}

const PROBE = /\/\/[ \t]*\?[ \t\r]*$/gm;

export function findProbes(file: ts.SourceFile): ProbeScan {
  const candidates = [...file.text.matchAll(PROBE)].map((match) => match.index);
  if (candidates.length === 0) return { targets: [], empty: [] };
  const tokens = leafTokens(file);
  const targets: ProbeTarget[] = [];
  const empty: number[] = [];
  for (const comment of candidates) {
    const token = lastTokenBefore(tokens, comment);
    const from = token?.end ?? 0;
    if (!isLineComment(file.text, from, comment)) continue;
    const isSameLine = token !== undefined && !/[\r\n]/.test(file.text.slice(from, comment));
    const target = isSameLine ? targetAt(file, token, comment) : undefined;
    if (target === undefined) empty.push(comment);
    else targets.push(target);
  }
  return { targets, empty };
}

function leafTokens(file: ts.SourceFile): readonly ts.Node[] {
  const leaves: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return;
    const children = node.getChildren(file);
    if (children.length > 0) children.forEach(visit);
    else if (node.end > node.getStart(file)) leaves.push(node);
  };
  visit(file);
  return leaves;
}

function lastTokenBefore(tokens: readonly ts.Node[], offset: number): ts.Node | undefined {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.end ?? Infinity) <= offset) low = middle + 1;
    else high = middle;
  }
  return tokens[low - 1];
}

/** False inside strings, templates and block comments. */
function isLineComment(text: string, from: number, offset: number): boolean {
  const ranges = [
    ...(ts.getTrailingCommentRanges(text, from) ?? []),
    ...(ts.getLeadingCommentRanges(text, from) ?? []),
  ];
  return ranges.some((r) => r.pos === offset && r.kind === ts.SyntaxKind.SingleLineCommentTrivia);
}

function targetAt(file: ts.SourceFile, token: ts.Node, comment: number): ProbeTarget | undefined {
  if (token.kind === ts.SyntaxKind.OpenBraceToken) return blockTarget(token.parent, comment);
  const isSeparator =
    token.kind === ts.SyntaxKind.SemicolonToken || token.kind === ts.SyntaxKind.CommaToken;
  const valueEnd = isSeparator ? token.getFullStart() : token.end;
  const path = nodesEndingAt(file, new Set([token.end, valueEnd]));
  for (const node of path.toReversed()) {
    const target = ts.isStatement(node) ? statementTarget(node, comment) : undefined;
    if (target !== undefined) return target;
  }
  for (const node of path) {
    if (node.end === valueEnd && ts.isExpression(node) && isValue(node)) {
      return { kind: 'wrap', node, comment };
    }
  }
  return undefined;
}

/** Nodes that end at one of the offsets, outermost first. */
function nodesEndingAt(file: ts.SourceFile, ends: ReadonlySet<number>): readonly ts.Node[] {
  const found: ts.Node[] = [];
  const smallest = Math.min(...ends);
  const largest = Math.max(...ends);
  const visit = (node: ts.Node): void => {
    if (node.end < smallest || node.getStart(file) >= largest) return;
    if (ends.has(node.end)) found.push(node);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return found;
}

function statementTarget(node: ts.Statement, comment: number): ProbeTarget | undefined {
  if (ts.isVariableStatement(node)) {
    const names = node.declarationList.declarations.flatMap((d) => bindingNames(d.name));
    const hasValue = node.declarationList.declarations.some((d) => d.initializer !== undefined);
    return hasValue ? { kind: 'names', at: 'after', node, names, comment } : undefined;
  }
  const expression =
    ts.isExpressionStatement(node) || ts.isReturnStatement(node) || ts.isThrowStatement(node)
      ? node.expression
      : undefined;
  return expression === undefined ? undefined : { kind: 'wrap', node: expression, comment };
}

/** `if (x) { // ?`, `function f(a) { // ?`, `for (const x of xs) { // ?` ... */
function blockTarget(block: ts.Node, comment: number): ProbeTarget | undefined {
  const owner = ts.isCaseBlock(block) || ts.isBlock(block) ? block.parent : block;
  if (ts.isSwitchStatement(owner) || ts.isWhileStatement(owner)) {
    return { kind: 'wrap', node: owner.expression, comment };
  }
  if (ts.isIfStatement(owner)) {
    const isThen = owner.thenStatement === block;
    return isThen ? { kind: 'wrap', node: owner.expression, comment } : undefined;
  }
  const names = blockNames(owner);
  if (names.length === 0 || !ts.isBlock(block)) return undefined;
  return { kind: 'names', at: 'inside', node: block, names, comment };
}

function blockNames(owner: ts.Node): readonly string[] {
  if (ts.isFunctionLike(owner)) {
    return owner.parameters.flatMap((p) => bindingNames(p.name)).filter((name) => name !== 'this');
  }
  if (ts.isForStatement(owner) || ts.isForOfStatement(owner) || ts.isForInStatement(owner)) {
    const { initializer } = owner;
    const isList = initializer !== undefined && ts.isVariableDeclarationList(initializer);
    return isList ? initializer.declarations.flatMap((d) => bindingNames(d.name)) : [];
  }
  if (ts.isCatchClause(owner)) {
    return owner.variableDeclaration ? bindingNames(owner.variableDeclaration.name) : [];
  }
  return [];
}

/** True where an expression stands for its value, so that wrapping it changes nothing. */
function isValue(node: ts.Expression): boolean {
  if (ts.isOmittedExpression(node) || ts.isSpreadElement(node)) return false;
  if (node.kind === ts.SyntaxKind.SuperKeyword || isInPattern(node)) return false;
  const { parent } = node;
  if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return parent.expression !== node;
  if (ts.isPropertyAccessExpression(parent)) {
    return parent.expression === node && !ts.isOptionalChain(parent);
  }
  if (ts.isElementAccessExpression(parent)) {
    return parent.expression !== node || !ts.isOptionalChain(parent);
  }
  if (ts.isBinaryExpression(parent)) return parent.right === node || !isAssignment(parent);
  if (ts.isPrefixUnaryExpression(parent)) {
    const { operator } = parent;
    return operator !== ts.SyntaxKind.PlusPlusToken && operator !== ts.SyntaxKind.MinusMinusToken;
  }
  const hasInitializer =
    ts.isVariableDeclaration(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent);
  if (hasInitializer) return parent.initializer === node;
  if (ts.isForStatement(parent)) return true;
  if (ts.isForOfStatement(parent) || ts.isForInStatement(parent)) return parent.expression === node;
  if (ts.isArrowFunction(parent)) return parent.body === node;
  return VALUE_PARENTS.has(parent.kind);
}

const VALUE_PARENTS: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.ParenthesizedExpression,
  ts.SyntaxKind.ArrayLiteralExpression,
  ts.SyntaxKind.ConditionalExpression,
  ts.SyntaxKind.TemplateSpan,
  ts.SyntaxKind.ReturnStatement,
  ts.SyntaxKind.ThrowStatement,
  ts.SyntaxKind.ExpressionStatement,
  ts.SyntaxKind.IfStatement,
  ts.SyntaxKind.WhileStatement,
  ts.SyntaxKind.DoStatement,
  ts.SyntaxKind.SwitchStatement,
  ts.SyntaxKind.CaseClause,
  ts.SyntaxKind.SpreadElement,
  ts.SyntaxKind.SpreadAssignment,
  ts.SyntaxKind.AwaitExpression,
  ts.SyntaxKind.YieldExpression,
  ts.SyntaxKind.TypeOfExpression,
  ts.SyntaxKind.VoidExpression,
  ts.SyntaxKind.AsExpression,
  ts.SyntaxKind.SatisfiesExpression,
  ts.SyntaxKind.NonNullExpression,
  ts.SyntaxKind.ComputedPropertyName,
  ts.SyntaxKind.ExportAssignment,
]);

/** The left side of a destructuring assignment is no value. */
function isInPattern(node: ts.Node): boolean {
  let child = node;
  while (!ts.isStatement(child) && !ts.isFunctionLike(child) && !ts.isSourceFile(child)) {
    const { parent } = child;
    if (ts.isBinaryExpression(parent) && parent.left === child && isAssignment(parent)) return true;
    child = parent;
  }
  return false;
}

function isAssignment(node: ts.BinaryExpression): boolean {
  const { kind } = node.operatorToken;
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}
