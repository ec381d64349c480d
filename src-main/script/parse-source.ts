/**
 * TypeScript source to a syntax tree, always as a module: `await` is the operator, also in a file that imports and exports
 * nothing.
 *
 * TypeScript reads a file as a script first, then reads statements with `await` again, and keeps statements and errors of
 * the first reading where the second one passed more than one of them at once (`await [...x].y`, `await { a: 1, b: 2 }.a`):
 * github.com/microsoft/TypeScript/issues/59777. Such leftovers are dropped here.
 */
import ts from 'typescript';

export interface ParsedSource {
  readonly file: ts.SourceFile;
  /** Offsets in the source. */
  readonly errors: readonly SourceError[];
}

interface SourceError {
  readonly offset: number;
  readonly message: string;
}

/** With the errors of the parser. */
export function parseSource(path: string, source: string): ParsedSource {
  const { file, hasLeftovers } = parse(path, source, { setParents: true });
  return { file, errors: hasLeftovers ? errorsInFunction(path, source) : errorsOf(file) };
}

/** For text that is known to be without errors. Its nodes do not know their parents. */
export function parseValid(path: string, source: string): ts.SourceFile {
  return parse(path, source, { setParents: false }).file;
}

function parse(
  path: string,
  source: string,
  { setParents }: { readonly setParents: boolean },
): { readonly file: ts.SourceFile; readonly hasLeftovers: boolean } {
  const options: ts.CreateSourceFileOptions = {
    languageVersion: ts.ScriptTarget.ESNext,
    jsDocParsingMode: ts.JSDocParsingMode.ParseNone,
    setExternalModuleIndicator: (file) => {
      Object.assign(file, { externalModuleIndicator: true });
    },
  };
  const file = ts.createSourceFile(path, source, options, setParents, ts.ScriptKind.TS);
  let end = 0;
  const statements = file.statements.filter((statement) => {
    if (statement.pos < end) return false;
    ({ end } = statement);
    return true;
  });
  const hasLeftovers = statements.length < file.statements.length;
  if (hasLeftovers) {
    const list = ts.factory.createNodeArray(statements);
    const { pos, end: listEnd } = file.statements;
    Object.assign(file, { statements: ts.setTextRange(list, { pos, end: listEnd }) });
  }
  return { file, hasLeftovers };
}

/** In an async function nothing has to be read twice; the parser itself allows imports and exports there. */
function errorsInFunction(path: string, source: string): readonly SourceError[] {
  const head = 'async()=>{';
  const { file } = parse(path, `${head}${source}\n}`, { setParents: false });
  return errorsOf(file).map(({ offset, message }) => ({
    offset: Math.min(Math.max(0, offset - head.length), source.length),
    message,
  }));
}

/** Through a program of this one file: the tree's own list of errors is not public. */
function errorsOf(file: ts.SourceFile): readonly SourceError[] {
  const host: ts.CompilerHost = {
    getSourceFile: (name) => (name === file.fileName ? file : undefined),
    getDefaultLibFileName: () => '',
    writeFile: () => undefined,
    getCurrentDirectory: () => '',
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    fileExists: (name) => name === file.fileName,
    readFile: () => undefined,
  };
  const options: ts.CompilerOptions = {
    noLib: true,
    noResolve: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
  };
  const program = ts.createProgram([file.fileName], options, host);
  return program.getSyntacticDiagnostics(file).map((diagnostic) => ({
    offset: diagnostic.start,
    message: ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '),
  }));
}
