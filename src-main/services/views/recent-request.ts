/** The request that a walk view shows by itself: the selected record's, else the last fault's, else the last request's. */
import type { ViewParams } from '../../protocol/views.ts';
import { ADDRESS_TYPE, readRecord, type Trace, type TraceRecord } from '../../sim/index.ts';

export interface RecentRequest {
  readonly rid: number;
  readonly pasid: number;
  readonly address: bigint;
  readonly access: 'read' | 'write';
}

/** Records looked through backwards. */
const REACH = 20_000;
const BLOCKED = 'iommu.request.blocked';
const TRANSLATED = 'iommu.request.translated';
const RECORDED = 'iommu.fault.recorded';

function requestOfRecord(record: TraceRecord | undefined): RecentRequest | undefined {
  switch (record?.kind.kind) {
    case BLOCKED:
    case TRANSLATED:
      return {
        rid: Number(record.values['rid']),
        pasid: Number(record.values['pasid']),
        address: BigInt(record.values['iova'] ?? 0),
        access: record.values['access'] === 1 ? 'write' : 'read',
      };
    case RECORDED:
      return {
        rid: Number(record.values['rid']),
        pasid: Number(record.values['pasid']),
        address: BigInt(record.values['address'] ?? 0),
        access: record.values['access'] === 1 ? 'write' : 'read',
      };
    default:
      return undefined;
  }
}

export function recentRequest(
  trace: Trace,
  at: number,
  params: ViewParams,
): RecentRequest | undefined {
  if (params.event !== undefined) {
    const selected = requestOfRecord(readRecord(trace, params.event));
    if (selected !== undefined) {
      return selected;
    }
  }
  let translated: RecentRequest | undefined;
  for (let seq = at - 1; seq >= Math.max(trace.tail, at - REACH); seq--) {
    const record = readRecord(trace, seq);
    const kind = record?.kind.kind;
    if (kind !== BLOCKED && kind !== TRANSLATED) {
      continue;
    }
    if (kind === TRANSLATED && record?.values['type'] === ADDRESS_TYPE.translated) {
      // The device brought the host address itself: there is nothing to walk.
      continue;
    }
    const request = requestOfRecord(record);
    const matches = params.rid === undefined || Number(params.rid) === request?.rid;
    const matchesPasid = params.pasid === undefined || params.pasid === request?.pasid;
    if (!matches || !matchesPasid) {
      continue;
    }
    if (kind === BLOCKED) {
      return request;
    }
    translated ??= request;
  }
  return translated;
}
