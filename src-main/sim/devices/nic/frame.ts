/** Ethernet addresses in a frame. An address is a number below 2^48, first byte highest. */

export const ETHERNET_HEADER_BYTES = 14;
const BROADCAST = 2 ** 48 - 1;
const GROUP_BIT = 2 ** 40;

function addressAt(frame: Uint8Array, offset: number): number {
  let value = 0;
  for (let i = 0; i < 6; i++) {
    value = value * 256 + (frame[offset + i] as number);
  }
  return value;
}

export function destinationOf(frame: Uint8Array): number {
  return addressAt(frame, 0);
}

export function sourceOf(frame: Uint8Array): number {
  return addressAt(frame, 6);
}

export function isBroadcast(address: number): boolean {
  return address === BROADCAST;
}

/** Group addresses: multicast and broadcast. */
export function isGroup(address: number): boolean {
  return Math.floor(address / GROUP_BIT) % 2 === 1;
}

/** `02:00:00:00:00:01` */
export function formatMac(address: number): string {
  return address
    .toString(16)
    .padStart(12, '0')
    .replace(/(..)(?=.)/g, '$1:');
}

/** A frame with the two addresses exchanged: what an echoing peer sends back. */
export function reflected(frame: Uint8Array): Uint8Array {
  const back = frame.slice();
  back.set(frame.subarray(6, 12), 0);
  back.set(frame.subarray(0, 6), 6);
  return back;
}
