/**
 * Splices hooks in front of a file's statements, on the same line, so that line numbers never move.
 *
 * A hook is `if(--n3>=0);else if((n3=h(17))<0)n3=h(17,v=>v<1?a:b);`. `n3` is a counter of the enclosing function; when
 * it has run out the host is asked, and answers how many statements that function may run before it asks again: 0 while
 * it steps or has a breakpoint there, -1 when it wants to stop here. Then a second call brings the means to read the
 * variables in reach. The tests are written so that a counter not yet set (undefined) asks. Counting down a variable
 * costs a little more than reading a flag, and makes the number of executed statements exact.
 *
 * Loops without a statement in their body get a hook there, one-line bodies get braces, and expression bodies of arrow
 * functions become `(hook,value)`.
 */
import ts from 'typescript';
import { bindingNames, declaredNames, hasModifier } from './module-facts.ts';
import type { ModuleFacts } from './module-facts.ts';
import type { ProbeScan, ProbeTarget } from './probes.ts';
import { SourceEdits } from './source-edits.ts';

export interface HookedStatement {
  /** Source offsets. */
  readonly start: number;
  readonly end: number;
  /** Number of the enclosing function within the file; 0 is the module itself. */
  readonly functionIndex: number;
  /** Variables in reach up to the module's own, innermost first; the hook's reader takes their positions. */
  readonly names: readonly string[];
  /** Control may come back to the function in a later job. */
  readonly hasAwait: boolean;
  /** A `debugger` statement. */
  readonly isDebugger: boolean;
}

export interface HookedFile {
  readonly edits: SourceEdits;
  readonly statements: readonly HookedStatement[];
  readonly functionCount: number;
  /** Variables of the module itself. */
  readonly moduleNames: readonly string[];
  /** In the order of their numbers. */
  readonly probes: readonly ProbeTarget[];
}

export interface HookNumbers {
  /** Numbers given to the first statement, function and probe of this file, which are unique over all files. */
  readonly firstStatement: number;
  readonly firstProbe: number;
  readonly moduleIndex: number;
}

/** Variables in reach, innermost first. */
interface Scope {
  names: string[];
  readonly parent: Scope | undefined;
}

interface Walk {
  readonly functionIndex: number;
  readonly scope: Scope;
}

export function hookStatements(
  file: ts.SourceFile,
  facts: ModuleFacts,
  probes: ProbeScan,
  numbers: HookNumbers,
): HookedFile {
  return new StatementHooks(file, facts, probes, numbers).run();
}

class StatementHooks {
  readonly #file: ts.SourceFile;
  readonly #facts: ModuleFacts;
  readonly #numbers: HookNumbers;
  readonly #edits = new SourceEdits();
  readonly #statements: HookedStatement[] = [];
  readonly #probes: readonly ProbeTarget[];
  readonly #wraps = new Map<ts.Node, number>();
  readonly #reveals = new Map<
    ts.Node,
    { readonly id: number; readonly names: readonly string[] }
  >();
  readonly #moduleScope: Scope = { names: [], parent: undefined };
  #functionCount = 1;
  /** Start of every name we insert; occurs nowhere in the source. */
  readonly #prefix: string;

  constructor(file: ts.SourceFile, facts: ModuleFacts, probes: ProbeScan, numbers: HookNumbers) {
    this.#file = file;
    this.#facts = facts;
    this.#numbers = numbers;
    this.#prefix = unusedPrefix(file.text);
    this.#probes = probes.targets;
    probes.targets.forEach((target, index) => {
      const id = numbers.firstProbe + index;
      if (target.kind === 'wrap') this.#wraps.set(target.node, id);
      else this.#reveals.set(target.node, { id, names: target.names });
    });
  }

  run(): HookedFile {
    this.#keepTypesOut();
    const prologue = this.#file.statements[0]?.getStart(this.#file) ?? this.#file.text.length;
    // The text is known only after the walk, but has to come first at its offset.
    const body = new SourceEdits();
    const walk: Walk = { functionIndex: 0, scope: this.#moduleScope };
    for (const statement of this.#file.statements) this.#addImports(statement);
    this.#list(this.#file.statements, walk);
    body.insert(prologue, this.#prologue());
    return {
      edits: body.followedBy(this.#edits),
      statements: this.#statements,
      functionCount: this.#functionCount,
      moduleNames: this.#moduleScope.names,
      probes: this.#probes,
    };
  }

  /** Imports used only as types would fail to link: marks them so that they are blanked with the other types. */
  #keepTypesOut(): void {
    for (const specifier of this.#facts.typeOnlySpecifiers) {
      this.#edits.insert(specifier.getStart(this.#file), 'type ');
    }
  }

  #addImports(statement: ts.Statement): void {
    if (!ts.isImportDeclaration(statement)) return;
    for (const { names } of this.#facts.imports) {
      for (const { local } of names) {
        if (local !== '' && !this.#moduleScope.names.includes(local)) {
          this.#moduleScope.names.push(local);
        }
      }
    }
  }

  #prologue(): string {
    const p = this.#prefix;
    const counters = Array.from({ length: this.#functionCount }, (_, i) => `${p}n${String(i)}`);
    const left = counters.map((name) => `(${name}>0?${name}:0)`).join('+');
    const reader = this.#reader(this.#moduleScope.names);
    return (
      `import{h as ${p}h,p as ${p}p,r as ${p}r,t as ${p}t}from"lab:hooks";` +
      `var ${counters.join(',')};` +
      `${p}r(${String(this.#numbers.moduleIndex)},` +
      `()=>{const s=${left};${counters.join('=')}=0;return s},${reader});`
    );
  }

  // ---- statements ----

  #list(statements: readonly ts.Statement[], walk: Walk): void {
    for (const statement of statements) {
      if (isHookable(statement)) this.#hook(statement, statement, walk, ';');
      this.#statement(statement, walk);
      for (const name of declaredNames(statement)) {
        if (isValueDeclaration(statement) && name !== 'default') walk.scope.names.unshift(name);
      }
    }
  }

  /** Inserts the hook of `owner` in front of `at`, and gives it the next statement number. */
  #hook(owner: ts.Node, at: ts.Node | number, walk: Walk, close: ';' | ','): void {
    const names = visibleNames(walk.scope, this.#moduleScope);
    const id = this.#numbers.firstStatement + this.#statements.length;
    this.#statements.push({
      start: owner.getStart(this.#file),
      end: owner.end,
      functionIndex: walk.functionIndex,
      names,
      hasAwait: containsAwait(owner),
      isDebugger: ts.isDebuggerStatement(owner),
    });
    const n = `${this.#prefix}n${String(walk.functionIndex)}`;
    const ask = `${n}=${this.#prefix}h(${String(id)})`;
    const look = `${n}=${this.#prefix}h(${String(id)},${this.#reader(names)})`;
    const text =
      close === ';'
        ? `if(--${n}>=0);else if((${ask})<0)${look};`
        : `--${n}>=0||(${ask})<0&&(${look}),`;
    this.#edits.insert(typeof at === 'number' ? at : at.getStart(this.#file), text);
  }

  #reader(names: readonly string[]): string {
    const v = `${this.#prefix}v`;
    const tests = names.map((name, i) =>
      i + 1 < names.length ? `${v}<${String(i + 1)}?${name}:` : name,
    );
    return names.length === 0 ? `()=>{}` : `${v}=>${tests.join('')}`;
  }

  /** Visits the parts of a statement whose own hook is already in place. */
  #statement(statement: ts.Statement, walk: Walk): void {
    const reveal = this.#reveals.get(statement);
    if (ts.isBlock(statement)) {
      this.#block(statement, inner(walk));
    } else if (ts.isIfStatement(statement)) {
      this.#visit(statement.expression, walk);
      this.#body(statement.thenStatement, walk);
      if (statement.elseStatement !== undefined) this.#body(statement.elseStatement, walk);
    } else if (ts.isIterationStatement(statement, false)) {
      this.#loop(statement, inner(walk));
    } else if (ts.isLabeledStatement(statement)) {
      this.#statement(statement.statement, walk);
    } else if (ts.isSwitchStatement(statement)) {
      this.#visit(statement.expression, walk);
      const cases = inner(walk);
      for (const clause of statement.caseBlock.clauses) {
        if (ts.isCaseClause(clause)) this.#visit(clause.expression, walk);
        this.#list(clause.statements, cases);
      }
    } else if (ts.isTryStatement(statement)) {
      this.#try(statement, walk);
    } else if (ts.isThrowStatement(statement)) {
      this.#throw(statement, walk);
    } else {
      this.#visit(statement, walk);
    }
    if (reveal !== undefined && !ts.isBlock(statement)) {
      this.#edits.insert(statement.end, `;${this.#reveal(reveal)}`);
    }
  }

  #block(block: ts.Block, walk: Walk, loop?: ts.Statement): void {
    const open = block.getStart(this.#file) + 1;
    const reveal = this.#reveals.get(block);
    if (reveal !== undefined) this.#edits.insert(open, this.#reveal(reveal));
    if (loop !== undefined && !block.statements.some(isHookable)) this.#hook(loop, open, walk, ';');
    this.#list(block.statements, walk);
  }

  #reveal({ id, names }: { readonly id: number; readonly names: readonly string[] }): string {
    const value = names.length === 1 ? String(names[0]) : `{${names.join(',')}}`;
    return `${this.#prefix}p(${String(id)},${value});`;
  }

  #loop(loop: ts.IterationStatement, walk: Walk): void {
    ts.forEachChild(loop, (child) => {
      if (child === loop.statement) return;
      this.#visit(child, walk);
      if (ts.isVariableDeclarationList(child)) {
        for (const { name } of child.declarations) walk.scope.names.unshift(...bindingNames(name));
      }
    });
    this.#body(loop.statement, walk, loop);
  }

  /** A statement that may stand without braces: gets them, unless it is a block. */
  #body(body: ts.Statement, walk: Walk, loop?: ts.Statement): void {
    if (ts.isBlock(body)) {
      this.#block(body, inner(walk), loop);
      return;
    }
    this.#edits.insert(body.getStart(this.#file), '{');
    if (isHookable(body)) this.#hook(body, body, walk, ';');
    else if (loop !== undefined) this.#hook(loop, body, walk, ';');
    this.#statement(body, walk);
    this.#edits.insert(body.end, '}');
  }

  #try(statement: ts.TryStatement, walk: Walk): void {
    this.#block(statement.tryBlock, inner(walk));
    const { catchClause, finallyBlock } = statement;
    if (catchClause !== undefined) {
      const handler = inner(walk);
      const variable = catchClause.variableDeclaration;
      if (variable !== undefined) {
        this.#visit(variable, walk);
        handler.scope.names.unshift(...bindingNames(variable.name));
      }
      this.#block(catchClause.block, handler);
    }
    if (finallyBlock !== undefined) this.#block(finallyBlock, inner(walk));
  }

  #throw(statement: ts.ThrowStatement, walk: Walk): void {
    const { expression } = statement;
    const id = this.#numbers.firstStatement + this.#statements.length - 1;
    this.#edits.insert(expression.getStart(this.#file), `${this.#prefix}t(`);
    this.#visit(expression, walk);
    this.#edits.insert(expression.end, `,${String(id)})`);
  }

  // ---- expressions and functions ----

  #visit(node: ts.Node, walk: Walk): void {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    const probe = this.#wraps.get(node);
    if (probe !== undefined) {
      this.#edits.insert(node.getStart(this.#file), `${this.#prefix}p(${String(probe)},`);
    }
    if (ts.isFunctionLike(node)) this.#function(node, walk);
    else if (ts.isClassStaticBlockDeclaration(node)) this.#staticBlock(node, walk);
    else {
      ts.forEachChild(node, (child) => {
        this.#visit(child, walk);
      });
    }
    if (probe !== undefined) this.#edits.insert(node.end, ')');
  }

  #function(node: ts.SignatureDeclaration, outer: Walk): void {
    if (!('body' in node) || node.body === undefined) return;
    const walk = this.#newFunction(outer);
    if (ts.isFunctionExpression(node) && node.name !== undefined) {
      walk.scope.names.unshift(node.name.text);
    }
    if (node.name !== undefined && ts.isComputedPropertyName(node.name)) {
      this.#visit(node.name, outer);
    }
    for (const parameter of node.parameters) {
      this.#visit(parameter, walk);
      walk.scope.names.unshift(...bindingNames(parameter.name).filter((name) => name !== 'this'));
    }
    const { body } = node;
    if (!ts.isArrowFunction(node) && mentionsThis(body)) walk.scope.names.push('this');
    if (ts.isBlock(body)) {
      this.#block(body, walk);
      return;
    }
    this.#edits.insert(body.getStart(this.#file), '(');
    this.#hook(body, body, walk, ',');
    this.#visit(body, walk);
    this.#edits.insert(body.end, ')');
  }

  #staticBlock(node: ts.ClassStaticBlockDeclaration, outer: Walk): void {
    this.#block(node.body, this.#newFunction(outer));
  }

  #newFunction(outer: Walk): Walk {
    const functionIndex = this.#functionCount;
    this.#functionCount += 1;
    return { functionIndex, scope: { names: [], parent: outer.scope } };
  }
}

function inner(walk: Walk): Walk {
  return { ...walk, scope: { names: [], parent: walk.scope } };
}

function visibleNames(scope: Scope, moduleScope: Scope): readonly string[] {
  const names: string[] = [];
  for (let at: Scope | undefined = scope; at !== undefined && at !== moduleScope; at = at.parent) {
    for (const name of at.names) if (!names.includes(name)) names.push(name);
  }
  return names;
}

function isHookable(statement: ts.Statement): boolean {
  if (hasModifier(statement, ts.SyntaxKind.DeclareKeyword)) return false;
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some((d) => d.initializer !== undefined);
  }
  if (ts.isExpressionStatement(statement)) return !ts.isStringLiteral(statement.expression);
  return !UNHOOKED.has(statement.kind);
}

const UNHOOKED: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.FunctionDeclaration,
  ts.SyntaxKind.InterfaceDeclaration,
  ts.SyntaxKind.TypeAliasDeclaration,
  ts.SyntaxKind.EnumDeclaration,
  ts.SyntaxKind.ModuleDeclaration,
  ts.SyntaxKind.ImportDeclaration,
  ts.SyntaxKind.ImportEqualsDeclaration,
  ts.SyntaxKind.ExportDeclaration,
  ts.SyntaxKind.EmptyStatement,
  ts.SyntaxKind.Block,
  ts.SyntaxKind.TryStatement,
]);

function isValueDeclaration(statement: ts.Statement): boolean {
  return (
    !ts.isInterfaceDeclaration(statement) &&
    !ts.isTypeAliasDeclaration(statement) &&
    !hasModifier(statement, ts.SyntaxKind.DeclareKeyword) &&
    !(ts.isFunctionDeclaration(statement) && statement.body === undefined)
  );
}

function containsAwait(node: ts.Node): boolean {
  if (ts.isAwaitExpression(node)) return true;
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return true;
  return (
    ts.forEachChild(node, (child) => (ts.isFunctionLike(child) ? false : containsAwait(child))) ??
    false
  );
}

/** Whether `this` of the function itself occurs, not that of a function or class inside. */
function mentionsThis(node: ts.Node): boolean {
  if (node.kind === ts.SyntaxKind.ThisKeyword) return true;
  return (
    ts.forEachChild(node, (child) => {
      const hasOwnThis = ts.isFunctionLike(child) && !ts.isArrowFunction(child);
      return hasOwnThis || ts.isClassLike(child) || ts.isTypeNode(child)
        ? false
        : mentionsThis(child);
    }) ?? false
  );
}

function unusedPrefix(source: string): string {
  for (let i = 0; ; i++) {
    const prefix = `$${i === 0 ? '' : String(i)}_`;
    if (!source.includes(prefix)) return prefix;
  }
}
