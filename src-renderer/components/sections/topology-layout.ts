/**
 * Places the machine the way engineers draw it: software above, processor and memory, IOMMU, root ports, devices below;
 * what belongs inside something is drawn inside it. Pure geometry, no DOM.
 */
import type { TopologyNode, TopologySection } from '../../../src-main/protocol/views.ts';
import { TONE_ICONS } from '../tones.ts';

export interface Box {
  readonly node: TopologyNode;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly isContainer: boolean;
}

export interface EdgePath {
  readonly edge: TopologySection['edges'][number];
  readonly d: string;
  readonly labelX: number;
  readonly labelY: number;
}

export interface TopologyLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly edges: readonly EdgePath[];
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Placed extends Size {
  readonly boxes: readonly Box[];
}

const RANK: Readonly<Record<TopologyNode['kind'], number>> = {
  vm: 0,
  process: 0,
  mdev: 1,
  cpu: 2,
  memory: 2,
  iommu: 3,
  'root-port': 4,
  device: 5,
  adi: 6,
  queue: 6,
};

const TITLE_PX = 7.1;
const SUBTITLE_PX = 6.4;
const SIDE_PX = 40;
const LINK_PX = 16;
const MARK_PX = 18;
const MIN_WIDTH = 92;
const MAX_WIDTH = 224;
const TITLE_LINE = 18;
const SUBTITLE_LINE = 16;
const PAD = 8;
const GAP = 10;
const RANK_GAP = 34;

function linesOf(text: string | undefined, charPx: number, widthPx: number): number {
  if (text === undefined || text === '') return 0;
  return Math.max(1, Math.ceil((text.length * charPx) / widthPx));
}

/** Room beside the title: icon, the link's arrow, and marks. */
function titleSidePx(node: TopologyNode): number {
  const hasTone = node.tone !== undefined && TONE_ICONS[node.tone] !== null;
  return (
    SIDE_PX +
    (node.link === undefined ? 0 : LINK_PX) +
    (hasTone ? MARK_PX : 0) +
    (node.isChanged === true ? MARK_PX : 0)
  );
}

function leafSize(node: TopologyNode): Size {
  const titleSide = titleSidePx(node);
  const longest = Math.max(
    node.title.length * TITLE_PX + titleSide,
    (node.subtitle?.length ?? 0) * SUBTITLE_PX + SIDE_PX,
  );
  const width = Math.ceil(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, longest)));
  const height =
    PAD +
    linesOf(node.title, TITLE_PX, width - titleSide) * TITLE_LINE +
    linesOf(node.subtitle, SUBTITLE_PX, width - SIDE_PX) * SUBTITLE_LINE;
  return { width, height };
}

function shift(boxes: readonly Box[], x: number, y: number): readonly Box[] {
  return boxes.map((box) => ({ ...box, x: box.x + x, y: box.y + y }));
}

/** Fills rows from left to right up to a width; each row is centred when asked. */
function flow(items: readonly Placed[], maxWidth: number, isCentred: boolean): Placed {
  const rows: { items: Placed[]; width: number; height: number }[] = [];
  for (const item of items) {
    const row = rows.at(-1);
    if (row !== undefined && row.width + GAP + item.width <= maxWidth) {
      row.items.push(item);
      row.width += GAP + item.width;
      row.height = Math.max(row.height, item.height);
    } else rows.push({ items: [item], width: item.width, height: item.height });
  }
  const width = Math.max(0, ...rows.map((row) => row.width));
  const boxes: Box[] = [];
  let y = 0;
  for (const row of rows) {
    let x = isCentred ? Math.floor((Math.max(width, maxWidth) - row.width) / 2) : 0;
    for (const item of row.items) {
      boxes.push(...shift(item.boxes, x, y));
      x += item.width + GAP;
    }
    y += row.height + GAP;
  }
  return {
    width: isCentred ? Math.max(width, maxWidth) : width,
    height: Math.max(0, y - GAP),
    boxes,
  };
}

class Tree {
  readonly #children = new Map<string, TopologyNode[]>();
  readonly roots: readonly TopologyNode[];

  constructor(nodes: readonly TopologyNode[]) {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const hasHome = (node: TopologyNode): boolean => {
      const seen = new Set([node.id]);
      let parent = node.parent;
      while (parent !== undefined && byId.has(parent)) {
        if (seen.has(parent)) return false;
        seen.add(parent);
        parent = byId.get(parent)?.parent;
      }
      return node.parent !== undefined && byId.has(node.parent);
    };
    const roots: TopologyNode[] = [];
    for (const node of nodes) {
      if (node.parent === undefined || !hasHome(node)) roots.push(node);
      else this.#children.set(node.parent, [...this.childrenOf(node.parent), node]);
    }
    this.roots = roots;
  }

  childrenOf(id: string): readonly TopologyNode[] {
    return this.#children.get(id) ?? [];
  }

  place(node: TopologyNode, maxWidth: number, depth: number): Placed {
    const own = leafSize(node);
    const children = this.childrenOf(node.id);
    if (children.length === 0) {
      return { ...own, boxes: [{ node, x: 0, y: 0, ...own, depth, isContainer: false }] };
    }
    const innerMax = Math.max(MIN_WIDTH, maxWidth - 2 * PAD);
    const placed = children.map((child) => this.place(child, innerMax, depth + 1));
    const columns = Math.max(2, Math.ceil(Math.sqrt(children.length * 2)));
    const widest = Math.max(...placed.map((item) => item.width));
    const inside = flow(placed, Math.min(innerMax, columns * (widest + GAP) - GAP), false);
    const width = Math.max(own.width, inside.width + 2 * PAD);
    const height = own.height + inside.height + PAD;
    const box: Box = { node, x: 0, y: 0, width, height, depth, isContainer: true };
    return { width, height, boxes: [box, ...shift(inside.boxes, PAD, own.height)] };
  }
}

export function layoutTopology(section: TopologySection, availableWidth: number): TopologyLayout {
  const tree = new Tree(section.nodes);
  const ranks = [...new Set(tree.roots.map((node) => RANK[node.kind]))].sort((a, b) => a - b);
  const maxWidth = Math.max(availableWidth, MAX_WIDTH);
  const boxes: Box[] = [];
  let y = 0;
  let width = maxWidth;
  for (const rank of ranks) {
    const members = tree.roots.filter((node) => RANK[node.kind] === rank);
    const row = flow(
      members.map((node) => tree.place(node, maxWidth, 0)),
      maxWidth,
      true,
    );
    boxes.push(...shift(row.boxes, 0, y));
    width = Math.max(width, row.width);
    y += row.height + RANK_GAP;
  }
  const height = Math.max(0, y - RANK_GAP);
  return { width, height, boxes, edges: routeEdges(section.edges, boxes) };
}

/** Edges that leave one side of a box are spread along it. */
class Ports {
  readonly #counts = new Map<string, number>();
  readonly #taken = new Map<string, number>();

  expect(id: string, side: string): void {
    const key = `${id}/${side}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  take(box: Box, side: string): number {
    const key = `${box.node.id}/${side}`;
    const count = this.#counts.get(key) ?? 1;
    const index = this.#taken.get(key) ?? 0;
    this.#taken.set(key, index + 1);
    return box.x + (box.width * (index + 1)) / (count + 1);
  }
}

function routeEdges(edges: TopologySection['edges'], boxes: readonly Box[]): readonly EdgePath[] {
  const byId = new Map(boxes.map((box) => [box.node.id, box]));
  const ports = new Ports();
  const ends = edges.flatMap((edge) => {
    const from = byId.get(edge.from);
    const to = byId.get(edge.to);
    if (from === undefined || to === undefined || from === to) return [];
    const isBeside = from.y < to.y + to.height && to.y < from.y + from.height;
    const isDown = from.y + from.height <= to.y;
    if (!isBeside) {
      ports.expect(edge.from, isDown ? 'bottom' : 'top');
      ports.expect(edge.to, isDown ? 'top' : 'bottom');
    }
    return [{ edge, from, to, isBeside, isDown }];
  });
  return ends.map(({ edge, from, to, isBeside, isDown }) => {
    if (isBeside) return routeBeside(edge, from, to);
    const x1 = ports.take(from, isDown ? 'bottom' : 'top');
    const x2 = ports.take(to, isDown ? 'top' : 'bottom');
    const y1 = isDown ? from.y + from.height : from.y;
    const y2 = isDown ? to.y : to.y + to.height;
    const near = isDown ? y2 - RANK_GAP / 2 : y2 + RANK_GAP / 2;
    const middle = Math.abs(y2 - y1) < RANK_GAP ? (y1 + y2) / 2 : near;
    return {
      edge,
      d: `M${round(x1)} ${round(y1)} V${round(middle)} H${round(x2)} V${round(y2)}`,
      labelX: (x1 + x2) / 2,
      labelY: middle,
    };
  });
}

function routeBeside(edge: EdgePath['edge'], from: Box, to: Box): EdgePath {
  const isRight = from.x + from.width <= to.x;
  const x1 = isRight ? from.x + from.width : from.x;
  const x2 = isRight ? to.x : to.x + to.width;
  const y = (Math.max(from.y, to.y) + Math.min(from.y + from.height, to.y + to.height)) / 2;
  return { edge, d: `M${round(x1)} ${round(y)} H${round(x2)}`, labelX: (x1 + x2) / 2, labelY: y };
}

function round(value: number): string {
  return String(Math.round(value * 2) / 2);
}
