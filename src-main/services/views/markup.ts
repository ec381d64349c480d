/**
 * Marks what differs between two instants of one view: fields, rows, nodes, values. Works on any view model, so views
 * themselves know nothing of the past.
 */
import type {
  BytesSection,
  FieldRow,
  KeyValueSection,
  Section,
  StructureSection,
  TableRow,
  TableSection,
  TopologySection,
  TreeNode,
  ViewModel,
} from '../../protocol/views.ts';

function byId<T extends { readonly id: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

function markFields(
  now: readonly FieldRow[],
  before: readonly FieldRow[] | undefined,
): readonly FieldRow[] {
  const old = new Map((before ?? []).map((f) => [`${f.name}${f.bits}`, f.raw]));
  return now.map((field) => {
    const was = old.get(`${field.name}${field.bits}`) ?? '0x0';
    return was === field.raw ? field : { ...field, isChanged: true };
  });
}

function markStructure(
  now: StructureSection,
  before: StructureSection | undefined,
): StructureSection {
  const isChanged =
    before === undefined
      ? now.words.some((w) => w !== '00000000')
      : now.words.join('') !== before.words.join('');
  return isChanged ? { ...now, isChanged, fields: markFields(now.fields, before?.fields) } : now;
}

function cellText(cell: TableRow['cells'][number]): string {
  return typeof cell === 'string' ? cell : `${cell.text}|${cell.tone ?? ''}`;
}

function markRow(now: TableRow, before: TableRow | undefined): TableRow {
  const isChanged =
    before === undefined ||
    now.cells.map(cellText).join('\n') !== before.cells.map(cellText).join('\n');
  const detail =
    now.detail === undefined ? undefined : markSections(now.detail, before?.detail ?? []);
  return {
    ...now,
    ...(isChanged ? { isChanged } : {}),
    ...(detail === undefined ? {} : { detail }),
  };
}

function markTable(now: TableSection, before: TableSection | undefined): TableSection {
  const old = byId(before?.rows ?? []);
  return { ...now, rows: now.rows.map((row) => markRow(row, old.get(row.id))) };
}

function markKeyValues(now: KeyValueSection, before: KeyValueSection | undefined): KeyValueSection {
  const old = new Map((before?.rows ?? []).map((r) => [r.key, r.value]));
  return {
    ...now,
    rows: now.rows.map((row) =>
      old.get(row.key) === row.value ? row : { ...row, isChanged: true },
    ),
  };
}

function isBranchChanged(node: TreeNode): boolean {
  return node.isChanged === true || (node.children ?? []).some(isBranchChanged);
}

function markNode(now: TreeNode, before: TreeNode | undefined): TreeNode {
  const old = byId(before?.children ?? []);
  const children = now.children?.map((child) => markNode(child, old.get(child.id)));
  const detail =
    now.detail === undefined ? undefined : markSections(now.detail, before?.detail ?? []);
  const isOwnChange =
    before === undefined ||
    before.subtitle !== now.subtitle ||
    (detail ?? []).some((section) => section.kind === 'structure' && section.isChanged === true);
  const isChanged = isOwnChange || (children ?? []).some(isBranchChanged);
  return {
    ...now,
    ...(children === undefined ? {} : { children }),
    ...(detail === undefined ? {} : { detail }),
    ...(isChanged ? { isChanged } : {}),
  };
}

function markTopology(now: TopologySection, before: TopologySection | undefined): TopologySection {
  const old = byId(before?.nodes ?? []);
  return {
    ...now,
    nodes: now.nodes.map((node) => {
      const was = old.get(node.id);
      const isSame = was !== undefined && was.subtitle === node.subtitle && was.tone === node.tone;
      return isSame ? node : { ...node, isChanged: true };
    }),
  };
}

function markBytes(now: BytesSection, before: BytesSection | undefined): BytesSection {
  if (before === undefined || before.address !== now.address) {
    return now;
  }
  const changedOffsets: number[] = [];
  for (let i = 0; i < now.hex.length; i += 2) {
    if (now.hex.slice(i, i + 2) !== before.hex.slice(i, i + 2)) {
      changedOffsets.push(i / 2);
    }
  }
  return changedOffsets.length === 0 ? now : { ...now, changedOffsets };
}

function markSections(now: readonly Section[], before: readonly Section[]): readonly Section[] {
  const old = byId(before);
  return now.map((section): Section => {
    const was = old.get(section.id);
    const same = <K extends Section['kind']>(kind: K): Extract<Section, { kind: K }> | undefined =>
      was?.kind === kind ? (was as Extract<Section, { kind: K }>) : undefined;
    switch (section.kind) {
      case 'structure':
        return markStructure(section, same('structure'));
      case 'table':
        return markTable(section, same('table'));
      case 'keyvalue':
        return markKeyValues(section, same('keyvalue'));
      case 'tree': {
        const nodes = byId(same('tree')?.nodes ?? []);
        return {
          ...section,
          nodes: section.nodes.map((node) => markNode(node, nodes.get(node.id))),
        };
      }
      case 'topology':
        return markTopology(section, same('topology'));
      case 'bytes':
        return markBytes(section, same('bytes'));
      default:
        return section;
    }
  });
}

/** `now` with everything marked that differs from `before`. */
export function markChanges(now: ViewModel, before: ViewModel): ViewModel {
  return { ...now, sections: markSections(now.sections, before.sections) };
}
