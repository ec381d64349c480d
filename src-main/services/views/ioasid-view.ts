/** PASIDs that are allocated, and in the 2019 profile the sets they belong to, with references and guest numbers. */
import type { TableSection, ViewModel } from '../../protocol/views.ts';
import { inline, text } from './plain-data.ts';
import { listOf, numberOf, published, type Published } from './software-objects.ts';
import type { ViewContext } from './view-context.ts';

function byNumber(a: Published, b: Published): number {
  return Number(a.name) - Number(b.name);
}

function setTable(sets: readonly Published[]): TableSection {
  return {
    kind: 'table',
    id: 'sets',
    title: 'Sets',
    columns: [
      { id: 'name', title: 'Set', isMono: true },
      { id: 'owner', title: 'Owner', help: 'Process whose address space the set belongs to' },
      { id: 'used', title: 'In use', align: 'right' },
      { id: 'members', title: 'PASIDs', grow: 1, help: 'Host number, and the guest’s number' },
    ],
    rows: sets.map(({ name, state }) => {
      const ids = listOf(state, 'ids');
      const quota = numberOf(state, 'quota');
      return {
        id: `set-${name}`,
        cells: [
          name,
          text(state, 'owner') ?? '',
          { text: `${ids.length} / ${quota}`, fill: quota === 0 ? 0 : ids.length / quota },
          ids
            .map((id) =>
              id['spid'] === null
                ? inline(id['id'])
                : `${inline(id['id'])} (guest ${inline(id['spid'])})`,
            )
            .join(', ') || '—',
        ],
      };
    }),
    empty: 'No set exists. A VMM gets one with a quota (2019 profile).',
  };
}

export function ioasidView({ machine }: ViewContext): ViewModel {
  const pasids = published(machine, 'pasid/').toSorted(byNumber);
  const entries = new Map(published(machine, 'ioasid/').map((e) => [e.name, e.state]));
  const sets = published(machine, 'ioasid/set/');
  if (pasids.length + sets.length === 0) {
    return {
      view: 'ioasid',
      title: 'PASID allocations',
      sections: [],
      empty: 'No PASID is allocated. Binding a process, or attaching a domain by PASID, takes one.',
    };
  }
  return {
    view: 'ioasid',
    title: 'PASID allocations',
    subtitle: `${pasids.length} PASIDs`,
    sections: [
      {
        kind: 'table',
        id: 'pasids',
        title: 'PASIDs',
        columns: [
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'owner', title: 'Owner', grow: 1 },
          { id: 'set', title: 'Set', isMono: true },
          { id: 'spid', title: 'Guest PASID', align: 'right', isMono: true },
          {
            id: 'references',
            title: 'References',
            align: 'right',
            help: 'The number is free again when the last one is gone',
          },
          { id: 'state', title: 'State' },
        ],
        rows: pasids.map(({ name, state }) => {
          const entry = entries.get(name) ?? {};
          const isPending = entry['state'] === 'FREE_PENDING';
          return {
            id: `pasid-${name}`,
            refs: { pasid: Number(name) },
            cells: [
              name,
              text(state, 'owner') ?? '',
              inline(entry['set']),
              inline(entry['spid']),
              entry['references'] === undefined ? '—' : inline(entry['references']),
              isPending
                ? { text: 'free pending', tone: 'warning' as const }
                : { text: 'active', tone: 'good' as const },
            ],
          };
        }),
        empty: '',
      },
      ...(machine.config.kernelProfile === 'kvmforum2019' || sets.length > 0
        ? [setTable(sets)]
        : []),
    ],
  };
}
