/**
 * Places the machine the way work goes through it: tenants above submit to the queues of devices, whose DMA goes on down
 * through root ports and IOMMU to memory. What belongs inside something is drawn inside it. Geometry alone: nothing is drawn here.
 */
import type { TopologyNode, TopologySection } from '../../../src-main/protocol/views.ts';
import { TONE_ICONS } from '../tones.ts';
import { textWidth } from './text-width.ts';

export interface Box {
  readonly node: TopologyNode;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly isContainer: boolean;
}

export type Side = 'top' | 'bottom' | 'left' | 'right';

/** Where an edge leaves or enters a box: the side, and how far along it, from 0 to 1. */
export interface Port {
  readonly side: Side;
  readonly at: number;
}

export interface Wire {
  readonly edge: TopologySection['edges'][number];
  readonly from: Port;
  readonly to: Port;
  /** How far above the target the wire turns; wires of one gap turn at heights of their own. */
  readonly turn: number;
}

export interface TopologyLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly wires: readonly Wire[];
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
  device: 2,
  adi: 2,
  queue: 2,
  'root-port': 3,
  iommu: 4,
  memory: 5,
  cpu: 5,
};

/** Texts are measured at the size of table cells; titles are a little heavier, subtitles smaller. */
const TITLE_SCALE = 1.06;
const SUBTITLE_SCALE = 0.93;
const SIDE_PX = 40;
const LINK_PX = 16;
const MARK_PX = 18;
const MIN_WIDTH = 92;
const MAX_WIDTH = 224;
const TITLE_LINE = 18;
const SUBTITLE_LINE = 16;
const PAD = 8;
const GAP = 10;
const RANK_GAP = 46;
const LANE_GAP = 7;
/** Boxes whose left edges are this near stand below each other. */
const BESIDE_PX = 8;
const BESIDE_SHARE = 0.2;
/** More columns inside a box make it wide; fewer make it tall. */
const MAX_COLUMNS = 4;

function linesOf(textPx: number, widthPx: number): number {
  return Math.ceil(textPx / widthPx);
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
  const titlePx = textWidth(node.title, false) * TITLE_SCALE;
  const subtitlePx = textWidth(node.subtitle ?? '', false) * SUBTITLE_SCALE;
  const longest = Math.max(titlePx + titleSide, subtitlePx + SIDE_PX);
  const width = Math.ceil(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, longest)));
  const height =
    PAD +
    linesOf(titlePx, width - titleSide) * TITLE_LINE +
    linesOf(subtitlePx, width - SIDE_PX) * SUBTITLE_LINE;
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

  /** The box of a node around its children, which stand in rows of at most `columns`. */
  place(node: TopologyNode, columns: number, depth: number): Placed {
    const own = leafSize(node);
    const children = this.childrenOf(node.id);
    if (children.length === 0) {
      return { ...own, boxes: [{ node, x: 0, y: 0, ...own, depth, isContainer: false }] };
    }
    const placed = children.map((child) => this.place(child, columns, depth + 1));
    const widest = Math.max(...placed.map((item) => item.width));
    const inside = flow(placed, columns * (widest + GAP) - GAP, false);
    const width = Math.max(own.width, inside.width + 2 * PAD);
    const height = own.height + inside.height + PAD;
    const box: Box = { node, x: 0, y: 0, width, height, depth, isContainer: true };
    return { width, height, boxes: [box, ...shift(inside.boxes, PAD, own.height)] };
  }
}

/** One rank on one line if it fits with fewer columns inside its widest boxes; several lines otherwise. */
function placeRank(tree: Tree, members: readonly TopologyNode[], maxWidth: number): Placed {
  const placed = members.map((node) => ({
    node,
    columns: MAX_COLUMNS,
    item: tree.place(node, MAX_COLUMNS, 0),
  }));
  const total = (): number => placed.reduce((sum, { item }) => sum + item.width + GAP, -GAP);
  while (total() > maxWidth) {
    const widest = placed
      .filter(({ columns, item }) => columns > 1 && item.boxes.length > 1)
      .toSorted((a, b) => b.item.width - a.item.width)[0];
    if (widest === undefined) break;
    widest.columns -= 1;
    widest.item = tree.place(widest.node, widest.columns, 0);
  }
  return flow(
    placed.map(({ item }) => item),
    maxWidth,
    true,
  );
}

/** Tenants stand in the order of the queues that they use, so that their wires cross little. */
function byTarget(section: TopologySection, tree: Tree, members: readonly TopologyNode[]) {
  const order = new Map(section.nodes.map((node, at) => [node.id, at]));
  const targetOf = (node: TopologyNode): number => {
    const own = section.edges
      .filter((edge) => edge.from === node.id)
      .map((edge) => order.get(edge.to) ?? Infinity);
    return Math.min(...own, ...tree.childrenOf(node.id).map(targetOf));
  };
  return members.toSorted((a, b) => targetOf(a) - targetOf(b));
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
    const row = placeRank(tree, rank < 2 ? byTarget(section, tree, members) : members, maxWidth);
    boxes.push(...shift(row.boxes, 0, y));
    width = Math.max(width, row.width);
    y += row.height + RANK_GAP;
  }
  const height = Math.max(0, y - RANK_GAP);
  return { width, height, boxes, wires: routeWires(section.edges, boxes) };
}

interface End {
  readonly edge: TopologySection['edges'][number];
  readonly box: Box;
  readonly side: Side;
  readonly other: Box;
}

function sidesOf(from: Box, to: Box): readonly [Side, Side] {
  const isBeside = from.y < to.y + to.height && to.y < from.y + from.height;
  if (isBeside) return from.x + from.width <= to.x ? ['right', 'left'] : ['left', 'right'];
  return from.y + from.height <= to.y ? ['bottom', 'top'] : ['top', 'bottom'];
}

function middleOf(box: Box): number {
  return box.x + box.width / 2;
}

/** Wires of one side of a box are spread along it, in the order of their other ends. */
function portsOf(ends: readonly End[]): ReadonlyMap<End, Port> {
  const sides = new Map<string, End[]>();
  for (const end of ends) {
    const key = `${end.box.node.id}/${end.side}`;
    sides.set(key, [...(sides.get(key) ?? []), end]);
  }
  const ports = new Map<End, Port>();
  for (const group of sides.values()) {
    group
      .toSorted((a, b) => middleOf(a.other) - middleOf(b.other))
      .forEach((end, at) => ports.set(end, { side: end.side, at: (at + 1) / (group.length + 1) }));
  }
  return ports;
}

/**
 * Lanes of wires between two ranks, as distances from the middle. Of wires that go left the leftmost is uppermost, of those that go right the rightmost:
 * then none of them crosses another.
 */
function lanesOf(
  pairs: readonly Pair[],
  tops: ReadonlyMap<string, Box>,
): ReadonlyMap<Pair, number> {
  const gaps = new Map<string, Pair[]>();
  for (const pair of pairs.filter(({ end }) => end.side === 'top')) {
    const key = String(tops.get(pair.end.box.node.id)?.y);
    gaps.set(key, [...(gaps.get(key) ?? []), pair]);
  }
  const lanes = new Map<Pair, number>();
  for (const gap of gaps.values()) {
    const direction = ({ start, end }: Pair): number =>
      Math.sign(middleOf(end.box) - middleOf(start.box));
    const distance = Math.min(LANE_GAP, (RANK_GAP - LANE_GAP) / gap.length);
    const order = (pair: Pair): number =>
      direction(pair) > 0 ? -middleOf(pair.start.box) : middleOf(pair.start.box);
    gap
      .toSorted((a, b) => direction(a) - direction(b) || order(a) - order(b))
      .forEach((pair, at) => lanes.set(pair, ((gap.length - 1) / 2 - at) * distance));
  }
  return lanes;
}

interface Pair {
  readonly edge: TopologySection['edges'][number];
  readonly start: End;
  readonly end: End;
}

/** A wire that passes a box on its way into the next row comes in beside the wire of that box. */
function besideOthers({ box, side }: End, port: Port, boxes: readonly Box[]): Port {
  const isBehind = boxes.some(
    (other) =>
      other !== box &&
      other.depth === box.depth &&
      other.node.parent === box.node.parent &&
      box.depth > 0 &&
      other.y < box.y &&
      Math.abs(other.x - box.x) < BESIDE_PX,
  );
  return isBehind && side === 'top' ? { side, at: Math.min(0.95, port.at + BESIDE_SHARE) } : port;
}

/** The outermost box around each. */
function topsOf(boxes: readonly Box[]): ReadonlyMap<string, Box> {
  const byId = new Map(boxes.map((box) => [box.node.id, box]));
  const topOf = (box: Box): Box => {
    const parent = box.depth === 0 ? undefined : byId.get(box.node.parent ?? '');
    return parent === undefined ? box : topOf(parent);
  };
  return new Map(boxes.map((box) => [box.node.id, topOf(box)]));
}

function routeWires(edges: TopologySection['edges'], boxes: readonly Box[]): readonly Wire[] {
  const byId = new Map(boxes.map((box) => [box.node.id, box]));
  const pairs = edges.flatMap((edge): Pair[] => {
    const from = byId.get(edge.from);
    const to = byId.get(edge.to);
    if (from === undefined || to === undefined || from === to) return [];
    const [fromSide, toSide] = sidesOf(from, to);
    return [
      {
        edge,
        start: { edge, box: from, side: fromSide, other: to },
        end: { edge, box: to, side: toSide, other: from },
      },
    ];
  });
  const spread = portsOf(pairs.flatMap(({ start, end }) => [start, end]));
  const ports = new Map([...spread].map(([end, port]) => [end, besideOthers(end, port, boxes)]));
  const tops = topsOf(boxes);
  const lanes = lanesOf(pairs, tops);
  return pairs.flatMap((pair): Wire[] => {
    const from = ports.get(pair.start);
    const to = ports.get(pair.end);
    if (from === undefined || to === undefined) return [];
    const target = pair.end.box;
    const inside = target.y - (tops.get(target.node.id)?.y ?? target.y);
    const turn = inside + RANK_GAP / 2 + (lanes.get(pair) ?? 0);
    return [{ edge: pair.edge, from, to, turn }];
  });
}
