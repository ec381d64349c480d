import { describe, expect, it } from 'vitest';
import type { TopologySection } from '../../../../src-main/protocol/views.ts';
import { splitTerms } from '../../../../src-renderer/components/glossary.ts';
import { gridTemplate } from '../../../../src-renderer/components/sections/table-layout.ts';
import { layoutTopology } from '../../../../src-renderer/components/sections/topology-layout.ts';
import {
  findPath,
  initiallyExpanded,
  visibleNodes,
} from '../../../../src-renderer/components/sections/tree-model.ts';
import { fakeCourse } from '../../../support/fake-lab/course.ts';
import { fakeView } from '../../../support/fake-lab/views.ts';

const [machine] = fakeView('topology', {}).sections;
const topology = machine as TopologySection;

describe('layoutTopology', () => {
  it.each([360, 640, 1_100])(
    'overlaps no boxes that do not contain each other at %i px',
    (width) => {
      const { boxes } = layoutTopology(topology, width);
      const inside = (id: string, outer: string): boolean => {
        const parent = topology.nodes.find((node) => node.id === id)?.parent;
        return parent !== undefined && (parent === outer || inside(parent, outer));
      };
      for (const a of boxes) {
        for (const b of boxes) {
          if (a === b || inside(a.node.id, b.node.id) || inside(b.node.id, a.node.id)) continue;
          const overlaps =
            a.x < b.x + b.width &&
            b.x < a.x + a.width &&
            a.y < b.y + b.height &&
            b.y < a.y + a.height;
          expect(overlaps, `${a.node.id} and ${b.node.id}`).toBe(false);
        }
      }
    },
  );

  it('draws children inside their parent', () => {
    const { boxes } = layoutTopology(topology, 640);
    const device = boxes.find((box) => box.node.id === 'dsa0');
    const queue = boxes.find((box) => box.node.id === 'wq1');
    if (device === undefined || queue === undefined) throw new Error('boxes are missing');
    expect(queue.x).toBeGreaterThanOrEqual(device.x);
    expect(queue.y + queue.height).toBeLessThanOrEqual(device.y + device.height);
  });

  it('goes down as work does: tenant, device, root port, IOMMU', () => {
    const { boxes } = layoutTopology(topology, 640);
    const y = (id: string): number => boxes.find((box) => box.node.id === id)?.y ?? -1;
    expect(y('vm0')).toBeLessThan(y('mdev0'));
    expect(y('mdev0')).toBeLessThan(y('dsa0'));
    expect(y('dsa0')).toBeLessThan(y('rp0'));
    expect(y('rp0')).toBeLessThan(y('dmar0'));
  });

  it('spreads the wires of one side in the order of their other ends', () => {
    const { boxes, wires } = layoutTopology(topology, 640);
    const middle = (id: string): number => {
      const box = boxes.find((b) => b.node.id === id);
      return (box?.x ?? 0) + (box?.width ?? 0) / 2;
    };
    const into = wires.filter((wire) => wire.edge.to === 'dmar0' && wire.to.side === 'bottom');
    const sorted = into.toSorted((a, b) => middle(a.edge.from) - middle(b.edge.from));
    expect(sorted.map((wire) => wire.to.at)).toEqual(
      into.map((_, i) => (i + 1) / (into.length + 1)),
    );
  });

  it('routes every edge between known nodes and survives unknown ones and cycles', () => {
    expect(layoutTopology(topology, 640).wires).toHaveLength(topology.edges.length);
    const broken: TopologySection = {
      kind: 'topology',
      id: 'x',
      nodes: [
        { id: 'a', kind: 'device', title: 'a', parent: 'b' },
        { id: 'b', kind: 'device', title: 'b', parent: 'a' },
        { id: 'c', kind: 'device', title: 'c', parent: 'nobody' },
      ],
      edges: [
        { id: 'e', from: 'a', to: 'ghost' },
        { id: 'f', from: 'c', to: 'c' },
      ],
    };
    const { boxes, wires } = layoutTopology(broken, 640);
    expect(boxes.map((box) => box.node.id).sort()).toEqual(['a', 'b', 'c']);
    expect(wires).toEqual([]);
  });
});

describe('gridTemplate', () => {
  it('gives columns the width of their texts, within limits', () => {
    const template = gridTemplate(
      [
        { id: 'a', title: 'Address', isMono: true },
        { id: 'b', title: 'Note' },
      ],
      [{ id: '1', cells: ['0x0000000001a02440', 'x'.repeat(200)] }],
    );
    expect(template).toBe('151px 320px');
  });

  it('breaks numbers above 64 bits instead of growing for them', () => {
    const columns = [{ id: 'a', title: 'Value', isMono: true }];
    const widthOf = (digits: number): string =>
      gridTemplate(columns, [{ id: '1', cells: [`0x${'a'.repeat(digits)}`] }]);
    expect(widthOf(64)).toBe(widthOf(32));
    // The digits of 64 bits, and the gaps between their groups.
    expect([widthOf(16), widthOf(32)]).toEqual(['151px', '163px']);
  });

  it('follows the relative widths of the engine', () => {
    const columns = [
      { id: 'a', title: 'A', grow: 2 },
      { id: 'b', title: 'B' },
    ];
    expect(gridTemplate(columns, [])).toBe('minmax(27px, 2fr) 27px');
  });
});

describe('tree model', () => {
  const nodes = [
    {
      id: 'r',
      title: 'root',
      children: [
        {
          id: 'c',
          title: 'context',
          refs: { rid: '0x1' },
          children: [
            { id: 'e', title: 'entry', refs: { rid: '0x1', pasid: 5 } },
            { id: 'f', title: 'entry 6' },
          ],
        },
      ],
    },
  ];

  it('numbers what can be seen', () => {
    const all = visibleNodes(nodes, new Set(['r', 'c']));
    expect(all.map((row) => [row.node.id, row.level, row.position, row.setSize])).toEqual([
      ['r', 1, 1, 1],
      ['c', 2, 1, 1],
      ['e', 3, 1, 2],
      ['f', 3, 2, 2],
    ]);
    expect(visibleNodes(nodes, new Set()).map((row) => row.node.id)).toEqual(['r']);
  });

  it('opens a short tree whole, and a long one as far as it stays short', () => {
    expect(initiallyExpanded(nodes)).toEqual(['r', 'c']);
    const leaves = Array.from({ length: 40 }, (_, at) => ({ id: `l${String(at)}`, title: 'leaf' }));
    const long = [
      { id: 'r', title: 'root', children: [{ id: 'c', title: 'c', children: leaves }] },
    ];
    expect(initiallyExpanded(long)).toEqual(['r']);
  });

  it('finds the deepest match', () => {
    expect(findPath(nodes, (refs) => refs?.rid === '0x1')).toEqual(['r', 'c', 'e']);
    expect(findPath(nodes, () => false)).toBeNull();
  });
});

describe('splitTerms', () => {
  const terms = fakeCourse().glossary;

  it('explains the first occurrence of each term, whole words only', () => {
    const parts = splitTerms('An ADI and its PASID; another ADI, PASIDs.', terms);
    expect(parts.filter((part) => part.kind === 'term').map((part) => part.text)).toEqual([
      'ADI',
      'PASID',
    ]);
    expect(parts.map((part) => part.text).join('')).toBe(
      'An ADI and its PASID; another ADI, PASIDs.',
    );
  });

  it('leaves text alone without a glossary', () => {
    expect(splitTerms('ADI', [])).toEqual([{ kind: 'text', text: 'ADI' }]);
  });
});
