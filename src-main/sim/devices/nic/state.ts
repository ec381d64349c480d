/** State of a NIC-class function, virtual functions included. */
import type { EndpointState } from '../shared/endpoint.ts';
import type { SriovState } from '../sriov/sriov.ts';
import type { LearnedAddress } from './forwarding-table.ts';
import type { PacketRingState } from './packet-ring.ts';
import type { QueuePairState } from './queue-pair.ts';

export interface NicState {
  readonly version: 1;
  readonly endpoint: EndpointState;
  readonly general: Uint32Array;
  readonly pairs: readonly QueuePairState[];
  readonly learned: readonly LearnedAddress[];
  readonly packets: PacketRingState;
  readonly wire: readonly Uint8Array[];
  readonly sriov: SriovState;
}
