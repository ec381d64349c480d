/** Memory requests as a function sends them, past everything that a device does by itself. */
import { ADDRESS_TYPE } from '../../../src-main/sim/index.ts';
import type { MemoryRequest } from '../../../src-main/sim/pcie/ports.ts';

const TWO_32 = 2 ** 32;

/** Of `bytes` at an address; untranslated and without PASID unless told. */
export function rawRequest(
  address: number,
  bytes: number,
  fields: Partial<MemoryRequest> = {},
): MemoryRequest {
  return {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    addressType: ADDRESS_TYPE.untranslated,
    high: Math.floor(address / TWO_32),
    low: address % TWO_32,
    bytes,
    trafficClass: 0,
    ...fields,
  };
}
