/** Translations that devices keep themselves (ATS). One that a walk through memory would not give any more is marked. */
import { bigOf } from '../../bits/u64.ts';
import type { TableRow, ViewModel } from '../../protocol/views.ts';
import type { Machine } from '../../sim/index.ts';
import { deviceTranslations } from './device-facts.ts';
import { formatAddress, formatBytes, formatPasid, ridRef } from './sections.ts';
import { isStaleTranslation, stateCell } from './staleness.ts';
import type { ViewContext } from './view-context.ts';

type Entry = ReturnType<typeof deviceTranslations>[number];

function row(machine: Machine, rid: number, name: string, entry: Entry): TableRow {
  const input = bigOf(entry.high, entry.low);
  const stale = isStaleTranslation(machine, {
    rid,
    pasid: entry.pasid,
    inputHigh: entry.high,
    inputLow: entry.low,
    outputHigh: entry.translatedHigh,
    outputLow: entry.translatedLow,
    pageShift: entry.pageShift,
    canWrite: entry.isWritable,
    isPrivileged: entry.isPrivileged,
  });
  return {
    id: `atc-${name}-${entry.pasid}-${input.toString(16)}`,
    refs: {
      rid: ridRef(rid),
      unit: name,
      ...(entry.pasid < 0 ? {} : { pasid: entry.pasid }),
    },
    ...(stale ? { tone: 'stale' as const } : {}),
    cells: [
      name,
      formatPasid(entry.pasid),
      formatAddress(input),
      formatAddress(bigOf(entry.translatedHigh, entry.translatedLow)),
      formatBytes(2 ** entry.pageShift),
      `${entry.isReadable ? 'R' : '-'}${entry.isWritable ? 'W' : '-'}`,
      stateCell(stale),
    ],
    link: {
      view: 'page-walk',
      params: {
        rid: ridRef(rid),
        ...(entry.pasid < 0 ? {} : { pasid: entry.pasid }),
        address: `0x${input.toString(16)}`,
      },
      label: 'Walk this address',
    },
  };
}

export function deviceTlbView({ machine, params }: ViewContext): ViewModel {
  const rows = [...machine.fabric.functions()].flatMap(([rid, device]) =>
    deviceTranslations(device)
      .filter((entry) => params.pasid === undefined || entry.pasid === params.pasid)
      .map((entry) => row(machine, rid, device.name, entry)),
  );
  return {
    view: 'device-tlb',
    title: 'Device TLBs',
    subtitle: 'Translations that devices hold themselves (ATS)',
    sections: [
      {
        kind: 'table',
        id: 'device-tlb',
        columns: [
          { id: 'device', title: 'Device' },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'input', title: 'Input page', isMono: true },
          { id: 'output', title: 'Host page', isMono: true },
          { id: 'size', title: 'Size', align: 'right' },
          { id: 'rights', title: 'Rights', isMono: true },
          {
            id: 'state',
            title: 'State',
            help: 'Whether a walk through memory would give the same today',
          },
        ],
        rows,
        empty:
          'No device holds a translation. With ATS enabled, a device asks the IOMMU once and keeps the answer here.',
      },
    ],
  };
}
