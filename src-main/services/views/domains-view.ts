/** IOMMU domains: format and tables, who is attached with which PASID, what is mapped; and the groups of devices. */
import type { Section, TableRow, TableSection, ViewModel } from '../../protocol/views.ts';
import type { Machine } from '../../sim/index.ts';
import { inline, text, type PlainRecord } from './plain-data.ts';
import { formatAddress, formatBytes, formatPasid, ridRef } from './sections.ts';
import { listOf, numberOf, published, type Published } from './software-objects.ts';
import type { ViewContext } from './view-context.ts';

const MAX_MAPPINGS = 64;

function attachmentText(attachment: PlainRecord): string {
  const pasid = numberOf(attachment, 'pasid');
  const device = (text(attachment, 'device') ?? '').replace(/^0000:/, '');
  return pasid === 0 ? device : `${device} PASID ${formatPasid(pasid)}`;
}

function mappingTable(name: string, mappings: readonly Published[]): TableSection {
  const sorted = mappings.toSorted((a, b) => numberOf(a.state, 'iova') - numberOf(b.state, 'iova'));
  return {
    kind: 'table',
    id: `map-${name}`,
    title: 'DMA mappings',
    columns: [
      { id: 'iova', title: 'IOVA', isMono: true },
      { id: 'address', title: 'Physical', isMono: true },
      { id: 'bytes', title: 'Size', align: 'right' },
      { id: 'rights', title: 'Rights', isMono: true },
    ],
    rows: sorted.slice(0, MAX_MAPPINGS).map(({ name: iova, state }) => ({
      id: `map-${name}-${iova}`,
      cells: [
        formatAddress(numberOf(state, 'iova')),
        formatAddress(numberOf(state, 'address')),
        formatBytes(numberOf(state, 'bytes')),
        `${state['isReadable'] === true ? 'R' : '-'}${state['isWritable'] === true ? 'W' : '-'}`,
      ],
    })),
    ...(sorted.length > MAX_MAPPINGS ? { omittedRows: sorted.length - MAX_MAPPINGS } : {}),
    empty: 'Nothing is mapped: iommu_map or the DMA API puts ranges here.',
  };
}

function propertySection(name: string, state: PlainRecord): Section {
  const stage1 = state['stage1'];
  return {
    kind: 'keyvalue',
    id: `domain-properties-${name}`,
    rows: [
      { key: 'References', value: inline(state['references']) },
      { key: 'Levels', value: inline(state['levels']) },
      { key: 'Nested on', value: inline(state['parent']), help: 'Domain of the second stage' },
      { key: 'Guest page table', value: inline(stage1), help: 'First stage of a nested domain' },
      { key: 'Address space of', value: inline(state['process']), help: 'SVA: the process’s own' },
      { key: 'For PASIDs', value: inline(state['isPasidCompatible']) },
      { key: 'Nest parent', value: inline(state['isNestParent']) },
      { key: 'Coherency enforced', value: inline(state['isCoherencyEnforced']) },
      { key: 'Dirty tracking', value: inline(state['isDirtyTrackingOn']) },
    ],
  };
}

function domainRow(machine: Machine, { name, state }: Published): TableRow {
  const attachments = listOf(state, 'attachments');
  const mappings = published(machine, `iommu/domain/${name}/map/`);
  const bytes = mappings.reduce((sum, m) => sum + numberOf(m.state, 'bytes'), 0);
  const [first] = attachments;
  const pasid = first === undefined ? 0 : numberOf(first, 'pasid');
  const root = state['root'];
  return {
    id: `domain-${name}`,
    ...(attachments.length === 0 ? { tone: 'muted' as const } : {}),
    refs: {
      ...(first === undefined ? {} : { rid: ridRef(numberOf(first, 'rid')) }),
      ...(pasid > 0 ? { pasid } : {}),
    },
    cells: [
      `domain${name}`,
      text(state, 'type') ?? '',
      text(state, 'format') ?? '—',
      inline(state['did']),
      typeof root === 'number' ? formatAddress(root) : '—',
      attachments.map(attachmentText).join(', ') || 'nobody',
      mappings.length === 0 ? '—' : formatBytes(bytes),
    ],
    detail: [propertySection(name, state), mappingTable(name, mappings)],
  };
}

function groupTable(groups: readonly Published[]): TableSection {
  return {
    kind: 'table',
    id: 'groups',
    title: 'Groups',
    columns: [
      { id: 'id', title: 'Group', align: 'right', isMono: true },
      { id: 'devices', title: 'Devices', grow: 1, isMono: true },
      { id: 'domain', title: 'Domain', help: 'For requests without PASID' },
      { id: 'pasids', title: 'By PASID', grow: 1 },
      { id: 'owner', title: 'DMA owner' },
    ],
    rows: groups.map(({ name, state }) => ({
      id: `group-${name}`,
      cells: [
        name,
        inline(state['devices']),
        inline(state['domain']),
        listOf(state, 'pasids')
          .map((p) => `${inline(p['pasid'])}: ${inline(p['domain'])}`)
          .join(', ') || '—',
        inline(state['owner']),
      ],
    })),
    empty: 'No device is behind the IOMMU.',
  };
}

export function domainsView({ machine }: ViewContext): ViewModel {
  const domains = published(machine, 'iommu/domain/').toSorted(
    (a, b) => Number(a.name) - Number(b.name),
  );
  if (domains.length === 0) {
    return {
      view: 'domains',
      title: 'IOMMU domains',
      sections: [],
      empty: 'No domain exists. iommu_domain_alloc creates one.',
    };
  }
  return {
    view: 'domains',
    title: 'IOMMU domains',
    subtitle: `${domains.length} domains`,
    sections: [
      {
        kind: 'table',
        id: 'domains',
        columns: [
          { id: 'name', title: 'Domain', isMono: true },
          {
            id: 'type',
            title: 'Type',
            help: 'dma: the DMA API. unmanaged: its maker maps. sva: a process',
          },
          { id: 'format', title: 'Tables' },
          {
            id: 'did',
            title: 'DID',
            align: 'right',
            isMono: true,
            help: 'Tags cached translations',
          },
          { id: 'root', title: 'Top table', isMono: true },
          { id: 'attached', title: 'Attached', grow: 1 },
          { id: 'mapped', title: 'Mapped', align: 'right' },
        ],
        rows: domains.map((domain) => domainRow(machine, domain)),
        empty: '',
      },
      groupTable(published(machine, 'iommu/group/')),
    ],
  };
}
