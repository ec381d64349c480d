/** Where the tables of the function lie in its BARs. All places are this model's choice. */
import { DOORBELL_PAGE_BYTES, QUEUE_CONTEXT_BYTES } from '../../../spec/nic/registers.ts';
import { IMS_ENTRY_BYTES } from '../../pcie/ims-table.ts';
import type { NicSettings } from './config.ts';

export const NIC_BAR = { registers: 0, doorbells: 2 } as const;

export interface NicPlaces {
  readonly msixTable: number;
  readonly msixPba: number;
  readonly contexts: number;
  readonly ims: number;
  readonly bar0Bytes: number;
  readonly bar2Bytes: number;
}

const MSIX_TABLE = 0x4000;
const MSIX_PBA = 0x8000;
const CONTEXTS = 0x1_0000;
const PAGE = 0x1000;

export function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

export function nicPlaces(settings: NicSettings): NicPlaces {
  const { queuePairs, imsEntries } = settings;
  const ims = Math.ceil((CONTEXTS + queuePairs * QUEUE_CONTEXT_BYTES) / PAGE) * PAGE;
  return {
    msixTable: MSIX_TABLE,
    msixPba: MSIX_PBA,
    contexts: CONTEXTS,
    ims,
    bar0Bytes: powerOfTwo(ims + Math.max(1, imsEntries * IMS_ENTRY_BYTES)),
    bar2Bytes: powerOfTwo(queuePairs * DOORBELL_PAGE_BYTES),
  };
}

/** BAR0 of a virtual function: contexts, one doorbell page a queue pair, its MSI-X table. */
export interface VfPlaces {
  readonly doorbells: number;
  readonly msixTable: number;
  readonly msixPba: number;
  readonly barBytes: number;
}

export function vfPlaces(queuePairs: number): VfPlaces {
  const msixTable = PAGE + queuePairs * DOORBELL_PAGE_BYTES;
  return {
    doorbells: PAGE,
    msixTable,
    msixPba: msixTable + PAGE / 2,
    barBytes: powerOfTwo(msixTable + PAGE),
  };
}
