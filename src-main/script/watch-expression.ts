/** Watch expressions: TypeScript expressions that read, and what they read. */
import tsBlankSpace from 'ts-blank-space';
import ts from 'typescript';

export type WatchExpression =
  | { readonly kind: 'expression'; readonly js: string; readonly names: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string };

export function parseWatch(text: string): WatchExpression {
  if (text.trim() === '') return refused('Write an expression to watch');
  // The line break ends a comment in the expression.
  const wrapped = `(${text}\n);`;
  const messages: string[] = [];
  const output = ts.transpileModule(wrapped, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  for (const diagnostic of output.diagnostics ?? []) {
    messages.push(ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '));
  }
  const [first] = messages;
  if (first !== undefined) return refused(first);
  const file = ts.createSourceFile('watch.ts', wrapped, ts.ScriptTarget.ESNext, true);
  const [statement, ...others] = file.statements;
  const isOne =
    others.length === 0 && statement !== undefined && ts.isExpressionStatement(statement);
  if (!isOne || !ts.isParenthesizedExpression(statement.expression)) {
    return refused('A watch is one expression');
  }
  const change = findChange(statement.expression);
  if (change !== undefined) return refused(change);
  let isErasable = true;
  const js = tsBlankSpace(wrapped, () => {
    isErasable = false;
  });
  if (!isErasable) return refused('This syntax is not supported in a watch');
  return { kind: 'expression', js, names: identifiersIn(statement.expression) };
}

function refused(message: string): WatchExpression {
  return { kind: 'refused', message };
}

/** What in the expression would change the script, in words. */
function findChange(node: ts.Node): string | undefined {
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    if (kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment) {
      return 'A watch can only read, not assign';
    }
  }
  const isUnary = ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node);
  const isStep =
    isUnary &&
    (node.operator === ts.SyntaxKind.PlusPlusToken ||
      node.operator === ts.SyntaxKind.MinusMinusToken);
  if (isStep) return 'A watch can only read, not count up or down';
  if (ts.isDeleteExpression(node)) return 'A watch can only read, not delete';
  if (ts.isAwaitExpression(node) || ts.isYieldExpression(node)) return 'A watch cannot wait';
  return ts.forEachChild(node, findChange);
}

function identifiersIn(node: ts.Node): readonly string[] {
  const names = new Set<string>();
  const visit = (child: ts.Node): void => {
    if (ts.isIdentifier(child)) names.add(child.text);
    else if (child.kind === ts.SyntaxKind.ThisKeyword) names.add('this');
    else if (ts.isPropertyAccessExpression(child)) visit(child.expression);
    else if (!ts.isTypeNode(child)) ts.forEachChild(child, visit);
  };
  visit(node);
  return [...names];
}
