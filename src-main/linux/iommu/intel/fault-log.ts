/** The fault handler of the unit (drivers/iommu/intel/dmar.c, dmar_fault): reads, prints and clears fault records. */
import { toHex } from '../../../bits/hex.ts';
import { FAULT_LOGGED } from '../../../spec/events/linux.ts';
import { faultCodeTitle } from '../../../spec/vtd/faults.ts';
import type { FaultRecord } from '../../../spec/vtd/registers/fault.ts';
import { FAULT_REQUEST_TYPE, FRCD_REG, FSTS_REG } from '../../../spec/vtd/registers/fault.ts';
import { placeRegister } from '../../../bits/register-block.ts';
import { pciName } from '../../pci/pci-dev.ts';
import type { IommuUnit } from './unit.ts';

const FIRST_INTERRUPT_REASON = 0x20;
const LAST_INTERRUPT_REASON = 0x2f;
const INDEX_SHIFT = 48n;
/** Highest byte of a record, which holds F. */
const F_BYTE_OFFSET = 12;
const F_DWORD = 0x8000_0000n;

export type FaultRecordValues = ReturnType<typeof FaultRecord.decode>;

const REQUESTS: Readonly<Record<number, string>> = {
  [FAULT_REQUEST_TYPE.write]: 'DMA Write',
  [FAULT_REQUEST_TYPE.read]: 'DMA Read',
  [FAULT_REQUEST_TYPE.pageRequest]: 'Page Request',
  [FAULT_REQUEST_TYPE.atomic]: 'DMA Atomic',
};

export class FaultLog {
  readonly #unit: IommuUnit;
  readonly #tell: (record: FaultRecordValues) => void;

  constructor(unit: IommuUnit, tell: (record: FaultRecordValues) => void) {
    this.#unit = unit;
    this.#tell = tell;
  }

  /** Handler of the fault event: records from FRI upward while they are valid. */
  handle(): void {
    const { registers, capability } = this.#unit;
    const status = registers.read(FSTS_REG);
    const count = capability.faultRecordCount;
    for (let i = 0; status.PPF === 1 && i < count; i++) {
      const index = (status.FRI + i) % count;
      const offset = capability.faultRecordOffset + index * FRCD_REG.bytes;
      const record = registers.read(placeRegister(FRCD_REG, offset));
      if (record.F === 0) {
        break;
      }
      this.#print(record);
      registers.writeAt(offset + F_BYTE_OFFSET, 4, F_DWORD);
      this.#tell(record);
    }
    registers.write(FSTS_REG, { PFO: 1 });
  }

  #print(record: FaultRecordValues): void {
    const isInterrupt = record.FR >= FIRST_INTERRUPT_REASON && record.FR <= LAST_INTERRUPT_REASON;
    const pasid = record.PP === 1 ? record.PV : -1;
    const title = faultCodeTitle(record.FR) ?? 'Unknown';
    const device = pciName(record.SID).slice('0000:'.length);
    const reason = `[fault reason ${toHex(record.FR, 2)}] ${title}`;
    const text = isInterrupt
      ? `DMAR: [INTR-REMAP] Request device [${device}] fault index ${toHex(record.FI >> INDEX_SHIFT)} ${reason}`
      : `DMAR: [${requestName(record)}${pasid < 0 ? ' NO_PASID' : ` PASID ${toHex(pasid)}`}] ` +
        `Request device [${device}] fault addr ${toHex(record.FI)} ${reason}`;
    this.#unit.core.emit(FAULT_LOGGED, text, record.FR, record.SID, pasid, record.FI);
  }
}

function requestName(record: FaultRecordValues): string {
  return REQUESTS[record.T1 * 2 + record.T2] ?? 'DMA';
}
