/** The visible rows of a tree, in order, with what ARIA wants to know about each. */
import type { ObjectRefs, TreeNode } from '../../../src-main/protocol/views.ts';

export interface VisibleNode {
  readonly node: TreeNode;
  readonly parentId: string | null;
  readonly level: number;
  readonly position: number;
  readonly setSize: number;
  readonly hasChildren: boolean;
  readonly isExpanded: boolean;
}

function hasChildren(node: TreeNode): boolean {
  return (node.children?.length ?? 0) > 0;
}

export function visibleNodes(
  nodes: readonly TreeNode[],
  expanded: ReadonlySet<string>,
  parentId: string | null = null,
  level = 1,
): readonly VisibleNode[] {
  return nodes.flatMap((node, index) => {
    const isExpanded = hasChildren(node) && expanded.has(node.id);
    const own: VisibleNode = {
      node,
      parentId,
      level,
      position: index + 1,
      setSize: nodes.length,
      hasChildren: hasChildren(node),
      isExpanded,
    };
    if (!isExpanded) return [own];
    return [own, ...visibleNodes(node.children ?? [], expanded, node.id, level + 1)];
  });
}

/** Ids from the root to the first node that fits, null when none does. */
export function findPath(
  nodes: readonly TreeNode[],
  fits: (refs: ObjectRefs | undefined) => boolean,
): readonly string[] | null {
  let best: readonly string[] | null = null;
  for (const node of nodes) {
    const below = findPath(node.children ?? [], fits);
    // The deepest match says most: an entry rather than the table that holds it.
    if (below !== null) return [node.id, ...below];
    if (best === null && fits(node.refs)) best = [node.id];
  }
  return best;
}

/** A tree that opens to more rows than this hides more than it shows. */
const MAX_OPEN_ROWS = 40;

/**
 * What is open until the learner opens or closes something: level after level as long as the tree stays short. A chain
 * of only children costs one row a level, so it opens to where the tree begins to fork.
 */
export function initiallyExpanded(nodes: readonly TreeNode[]): readonly string[] {
  const open: string[] = [];
  let level = nodes;
  let rows = nodes.length;
  while (level.length > 0) {
    const parents = level.filter(hasChildren);
    const next = parents.flatMap((node) => node.children ?? []);
    rows += next.length;
    if (rows > MAX_OPEN_ROWS) break;
    open.push(...parents.map((node) => node.id));
    level = next;
  }
  return open;
}
