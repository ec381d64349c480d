/** The walk of one request: the selected fault or request of the trace, or what the selectors say. */
import type { ViewModel } from '../../protocol/views.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import { ACCESS, createIommuRequest, type IommuRequest, type Machine } from '../../sim/index.ts';
import { formatRid, ridRef } from './sections.ts';
import { recentRequest } from './recent-request.ts';
import { contextEntries, directoryEntries, pasidEntries, rootTable } from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';
import { explainedWalk } from './walk-steps.ts';

export function requestOf({ machine, trace, at, params }: ViewContext): IommuRequest {
  const request = createIommuRequest();
  const recent = recentRequest(trace, at, params);
  request.rid = params.rid === undefined ? (recent?.rid ?? firstRid(machine)) : Number(params.rid);
  request.pasid = params.pasid ?? recent?.pasid ?? -1;
  const address = params.address === undefined ? (recent?.address ?? 0n) : BigInt(params.address);
  request.high = highOfBig(address);
  request.low = lowOfBig(address);
  const access = params.access ?? recent?.access ?? 'read';
  request.kind = access === 'write' ? ACCESS.write : ACCESS.read;
  request.isExecute = access === 'execute';
  return request;
}

function firstRid(machine: Machine): number {
  return [...machine.fabric.functions().keys()][0] ?? 0;
}

/** PASIDs that have an entry in memory, for the selector. */
export function knownPasids(machine: Machine, rid: number): readonly number[] {
  const root = rootTable(machine);
  if (root === undefined || !root.isScalable) {
    return [];
  }
  const context = contextEntries(machine, root).find((c) => c.rid === rid);
  return context === undefined
    ? []
    : directoryEntries(machine, context.words).flatMap((d) =>
        pasidEntries(machine, d).map((e) => e.pasid),
      );
}

export function walkChoices(
  machine: Machine,
  request: IommuRequest,
): NonNullable<ViewModel['choices']> {
  const pasids = knownPasids(machine, request.rid);
  const all =
    request.pasid >= 0 && !pasids.includes(request.pasid) ? [...pasids, request.pasid] : pasids;
  return [
    {
      param: 'rid',
      title: 'Requester',
      value: ridRef(request.rid),
      options: [...machine.fabric.functions()].map(([rid, device]) => ({
        value: ridRef(rid),
        title: `${formatRid(rid)} ${device.name}`,
      })),
    },
    {
      param: 'pasid',
      title: 'PASID',
      value: request.pasid < 0 ? '' : String(request.pasid),
      options: [
        { value: '', title: 'none' },
        ...all.map((p) => ({ value: String(p), title: String(p) })),
      ],
      isFreeText: true,
    },
    {
      param: 'address',
      title: 'Address',
      value: `0x${((BigInt(request.high >>> 0) << 32n) | BigInt(request.low >>> 0)).toString(16)}`,
      options: [],
      isFreeText: true,
    },
    {
      param: 'access',
      title: 'Access',
      value: request.kind === ACCESS.write ? 'write' : 'read',
      options: [
        { value: 'read', title: 'read' },
        { value: 'write', title: 'write' },
      ],
    },
  ];
}

export function pageWalkView(context: ViewContext): ViewModel {
  const { machine } = context;
  if (rootTable(machine) === undefined) {
    return {
      view: 'page-walk',
      title: 'Page walk',
      sections: [],
      empty:
        'There are no translation tables yet. Once the kernel has set them up, choose a requester, a PASID and an address here.',
    };
  }
  const request = requestOf(context);
  return {
    view: 'page-walk',
    title: 'Page walk',
    subtitle: 'What the IOMMU reads from memory for this request, caches aside',
    choices: walkChoices(machine, request),
    sections: [explainedWalk(machine, request)],
  };
}
