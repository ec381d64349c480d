/** YAML with the line of every value, so that a problem can name it. */
import { LineCounter, isMap, isSeq, parseDocument, type Node } from 'yaml';
import { issue, type LabIssue } from '../lab-issue.ts';

export interface YamlText {
  readonly value: unknown;
  /** Line in the file of what `keys` lead to, or of the nearest thing around it. */
  lineOf(keys: readonly (string | number)[]): number;
  readonly issues: readonly LabIssue[];
}

/** `firstLine` is the line of the file at which the text begins. */
export function parseYaml(file: string, text: string, firstLine = 1): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
  });
  const lineAt = (offset: number): number => lines.linePos(offset).line + firstLine - 1;
  return {
    value: document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 }),
    lineOf: (keys) => lineAt(offsetOf(document.contents, keys)),
    issues: document.errors.map((error) =>
      issue('schema', `${file}:${String(lineAt(error.pos[0]))}`, `YAML: ${error.message}`),
    ),
  };
}

function offsetOf(contents: Node | null, keys: readonly (string | number)[]): number {
  let offset = contents?.range?.[0] ?? 0;
  let node: unknown = contents;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === String(key));
      const name = pair?.key as Node | undefined;
      if (pair === undefined) break;
      offset = name?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      break;
    }
  }
  return offset;
}
