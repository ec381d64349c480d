/** Which settings a schema knows at a place: for suggestions, and for the reference of the format. */

interface SchemaNode {
  readonly type?: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly wrapped?: SchemaNode;
  readonly options?: readonly SchemaNode[];
  readonly pipe?: readonly SchemaNode[];
}

/** The schemas that may apply: a union has several. */
function alternatives(node: SchemaNode): readonly SchemaNode[] {
  if (node.wrapped !== undefined) return alternatives(node.wrapped);
  const isUnion = node.type === 'union' || node.type === 'variant';
  if (isUnion) return (node.options ?? []).flatMap(alternatives);
  return [node];
}

function below(node: SchemaNode, key: string | number): readonly SchemaNode[] {
  return alternatives(node).flatMap((found) => {
    const next = typeof key === 'number' ? found.item : found.entries?.[key];
    return next === undefined ? [] : [next];
  });
}

/** Names of the object that `keys` lead to. */
export function schemaNames(
  schema: unknown,
  keys: readonly (string | number)[],
): readonly string[] {
  let nodes: readonly SchemaNode[] = [schema as SchemaNode];
  for (const key of keys) nodes = nodes.flatMap((node) => below(node, key));
  const names = nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.entries ?? {}));
  return [...new Set(names)];
}
