/** What a learner's file imports and exports as values, read from its syntax tree. */
import ts from 'typescript';

export interface ImportedName {
  /** `default` and `*` included. */
  readonly imported: string;
  readonly local: string;
  /** Source offset of the name, for messages. */
  readonly offset: number;
}

export interface ModuleImport {
  readonly specifier: string;
  /** Source offset of the specifier. */
  readonly offset: number;
  /** Names used as values; those used only as types are left out. */
  readonly names: readonly ImportedName[];
}

export interface ModuleFacts {
  readonly imports: readonly ModuleImport[];
  readonly exports: ReadonlySet<string>;
  /** Types and interfaces, which have no value to import. */
  readonly exportedTypes: ReadonlySet<string>;
  /** Specifiers of `export * from`. */
  readonly starExports: readonly string[];
  /** Import specifiers that name only types although they do not say `type`. */
  readonly typeOnlySpecifiers: readonly ts.ImportSpecifier[];
}

export function readModuleFacts(file: ts.SourceFile): ModuleFacts {
  const used = valueIdentifiers(file);
  const imports: ModuleImport[] = [];
  const typeOnlySpecifiers: ts.ImportSpecifier[] = [];
  const exports = new Set<string>();
  const exportedTypes = new Set<string>();
  const starExports: string[] = [];

  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) {
      readImport(file, statement, { used, imports, typeOnlySpecifiers });
    } else if (ts.isExportDeclaration(statement)) {
      readExport(file, statement, { imports, exports, starExports });
    } else if (ts.isExportAssignment(statement)) {
      exports.add('default');
    } else if (isExported(statement)) {
      const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
      for (const name of declaredNames(statement)) (isType ? exportedTypes : exports).add(name);
    }
  }
  return { imports, exports, exportedTypes, starExports, typeOnlySpecifiers };
}

/** Names a statement declares in its scope; none for statements that declare nothing. */
export function declaredNames(statement: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap((d) => bindingNames(d.name));
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  if (!isNamed) return [];
  const isDefault = hasModifier(statement, ts.SyntaxKind.DefaultKeyword);
  return [...(isDefault ? ['default'] : []), ...(statement.name ? [statement.name.text] : [])];
}

export function bindingNames(name: ts.BindingName): readonly string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((e) => (ts.isOmittedExpression(e) ? [] : bindingNames(e.name)));
}

export function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((m) => m.kind === kind) ?? false)
  );
}

function isExported(statement: ts.Statement): boolean {
  return hasModifier(statement, ts.SyntaxKind.ExportKeyword);
}

function readImport(
  file: ts.SourceFile,
  declaration: ts.ImportDeclaration,
  into: {
    readonly used: ReadonlySet<string>;
    readonly imports: ModuleImport[];
    readonly typeOnlySpecifiers: ts.ImportSpecifier[];
  },
): void {
  const clause = declaration.importClause;
  if (clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return;
  const specifier = declaration.moduleSpecifier;
  if (!ts.isStringLiteral(specifier)) return;
  const names: ImportedName[] = [];
  if (clause?.name !== undefined) {
    names.push({
      imported: 'default',
      local: clause.name.text,
      offset: clause.name.getStart(file),
    });
  }
  const bindings = clause?.namedBindings;
  if (bindings !== undefined && ts.isNamespaceImport(bindings)) {
    names.push({ imported: '*', local: bindings.name.text, offset: bindings.getStart(file) });
  }
  if (bindings !== undefined && ts.isNamedImports(bindings)) {
    for (const element of bindings.elements) {
      if (element.isTypeOnly) continue;
      if (!into.used.has(element.name.text)) {
        into.typeOnlySpecifiers.push(element);
        continue;
      }
      const imported = (element.propertyName ?? element.name).text;
      names.push({ imported, local: element.name.text, offset: element.getStart(file) });
    }
  }
  into.imports.push({ specifier: specifier.text, offset: specifier.getStart(file), names });
}

function readExport(
  file: ts.SourceFile,
  declaration: ts.ExportDeclaration,
  into: {
    readonly imports: ModuleImport[];
    readonly exports: Set<string>;
    readonly starExports: string[];
  },
): void {
  if (declaration.isTypeOnly) return;
  const { exportClause, moduleSpecifier } = declaration;
  const elements =
    exportClause !== undefined && ts.isNamedExports(exportClause)
      ? exportClause.elements.filter((element) => !element.isTypeOnly)
      : [];
  for (const element of elements) into.exports.add(element.name.text);
  if (exportClause !== undefined && ts.isNamespaceExport(exportClause)) {
    into.exports.add(exportClause.name.text);
  }
  if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return;
  if (exportClause === undefined) into.starExports.push(moduleSpecifier.text);
  const names = elements.map((element) => ({
    imported: (element.propertyName ?? element.name).text,
    local: '',
    offset: element.getStart(file),
  }));
  const offset = moduleSpecifier.getStart(file);
  into.imports.push({ specifier: moduleSpecifier.text, offset, names });
}

/** Names that occur where a value is meant. By name only: a shadowed name counts, which errs on the side of keeping. */
function valueIdentifiers(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      names.add(node.text);
      return;
    }
    if (ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isTypeAliasDeclaration(node)) return;
    if (ts.isTypeNode(node) && !isExtended(node)) return;
    if (ts.isHeritageClause(node) && node.token === ts.SyntaxKind.ImplementsKeyword) return;
    if (ts.isPropertyAccessExpression(node)) {
      visit(node.expression);
      return;
    }
    if (ts.isExportSpecifier(node)) {
      if (!node.isTypeOnly) visit(node.propertyName ?? node.name);
      return;
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return names;
}

/** `class A extends B<T>`: a type node in the tree, a value at run time. */
function isExtended(node: ts.Node): boolean {
  return ts.isExpressionWithTypeArguments(node);
}
