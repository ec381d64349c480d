/**
 * The way between functions of one multi-function device that does not lead through the root complex. PCIe Base section 6.12.1.2:
 * a request goes straight to the peer whose BAR holds its address, unless P2P Request Redirect is on in the requester's access
 * control services (ACS). The address is the one in the request: nobody has translated it.
 *
 * Not modelled: switches, whose ports have the same control; egress control; Direct Translated P2P; virtual functions, whose
 * peers are kept apart.
 */
import { numberOf } from '../../bits/u64.ts';
import { ACS_CONTROL, AcsCapability } from '../../spec/pcie/acs.ts';
import { FIRST_EXTENDED_OFFSET } from '../../spec/pcie/capability-id.ts';
import { barAddressOf } from './bar-address.ts';
import type { PcieFunction } from './ports.ts';

const REDIRECT = ACS_CONTROL.encode({ RR: 1 })[0] ?? 0;
const FUNCTION_BITS = 3;
const NEXT_SHIFT = 20;
const ID_MASK = 0xffff;

/** A function, and the place in one of its BARs that an address is. */
export interface PeerTarget {
  readonly rid: number;
  readonly device: PcieFunction;
  readonly bar: number;
  readonly offset: number;
}

/** Whether two of the functions are of one device. */
export function hasPeers(functions: ReadonlyMap<number, PcieFunction>): boolean {
  const devices = new Set<number>();
  for (const [rid, device] of functions) {
    if (device.isVirtual === true) continue;
    if (devices.has(rid >>> FUNCTION_BITS)) return true;
    devices.add(rid >>> FUNCTION_BITS);
  }
  return false;
}

/** The peer that a request of a function reaches directly. */
export function findPeer(
  functions: ReadonlyMap<number, PcieFunction>,
  rid: number,
  high: number,
  low: number,
): PeerTarget | undefined {
  const requester = functions.get(rid);
  if (requester === undefined || requester.isVirtual === true) return undefined;
  const address = numberOf(high, low);
  for (const [peer, device] of functions) {
    const isPeer = peer >>> FUNCTION_BITS === rid >>> FUNCTION_BITS && peer !== rid;
    if (!isPeer || device.isVirtual === true) continue;
    const bar = device.barBytes.findIndex((bytes, i) => {
      const base = bytes === 0 ? 0 : barAddressOf(device, i);
      return base !== 0 && address >= base && address < base + bytes;
    });
    if (bar >= 0) {
      const offset = address - barAddressOf(device, bar);
      return isRedirected(requester) ? undefined : { rid: peer, device, bar, offset };
    }
  }
  return undefined;
}

function isRedirected(device: PcieFunction): boolean {
  for (let at = FIRST_EXTENDED_OFFSET; at !== 0;) {
    const header = device.configRead(at, 4);
    if ((header & ID_MASK) === AcsCapability.id) {
      return (device.configRead(at + ACS_CONTROL.offset, 2) & REDIRECT) !== 0;
    }
    at = header >>> NEXT_SHIFT;
  }
  return false;
}
