/** What panes may know of a virtual unit: its registers and queues, its fault log, and what requests without a PASID meet. */
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { FECTL_REG, FRCD_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import { GSTS_REG } from '../../spec/vtd/registers/global-command.ts';
import { IQA_REG, IQH_REG, IQT_REG } from '../../spec/vtd/registers/invalidation-queue.ts';
import { PQA_REG, PQH_REG, PQT_REG, PRS_REG } from '../../spec/vtd/registers/page-request.ts';
import type { PlainData, RegisterFile } from '../../sim/index.ts';
import type { GuestTables } from './guest-tables.ts';
import type { PasidShadow } from './pasid-shadow.ts';

export interface UnitParts {
  readonly registers: RegisterFile;
  readonly capability: IommuCapability;
  readonly tables: GuestTables;
  readonly shadow: PasidShadow;
}

export function unitState({ registers, capability, tables, shadow }: UnitParts): PlainData {
  const words = (offset: number, count: number): Uint32Array =>
    Uint32Array.from({ length: count }, (_, i) => registers.peek32(offset + i * 4));
  const { TES, QIES } = GSTS_REG.decode(words(GSTS_REG.offset, 1));
  const { IQA, QS } = IQA_REG.decode(words(IQA_REG.offset, 2));
  const { PQA, PQS } = PQA_REG.decode(words(PQA_REG.offset, 2));
  const { PPR, PRO } = PRS_REG.decode(words(PRS_REG.offset, 1));
  const { PPF, PFO, IQE } = FSTS_REG.decode(words(FSTS_REG.offset, 1));
  const place = (head: number, tail: number, base: bigint, size: number): PlainData => ({
    base: Number(base),
    bytes: 2 ** size * 4096,
    head: registers.peek32(head),
    tail: registers.peek32(tail),
  });
  return {
    isTranslating: TES === 1,
    mode: tables.mode,
    root: tables.root,
    hasQueue: QIES === 1,
    queue: place(IQH_REG.offset, IQT_REG.offset, IQA, QS),
    pageRequests: place(PQH_REG.offset, PQT_REG.offset, PQA, PQS),
    status: { PPF, PFO, IQE, PPR, PRO },
    isFaultMasked: FECTL_REG.decode(words(FECTL_REG.offset, 1)).IM === 1,
    faults: Array.from({ length: capability.faultRecordCount }, (_, index) => ({
      index,
      ...FRCD_REG.decode(words(capability.faultRecordOffset + index * FRCD_REG.bytes, 4)),
    }))
      .filter(({ F }) => F === 1)
      .map(({ index, FR, SID, PP, PV, FI, T1, T2 }) => ({
        index,
        reason: FR,
        rid: SID,
        pasid: PP === 1 ? PV : -1,
        address: Number(FI),
        type: T1 * 2 + T2,
      })),
    functions: shadow.devices.map(({ name, rid }) => ({
      device: name,
      rid,
      ...shadow.stateOf(name),
    })),
  };
}
