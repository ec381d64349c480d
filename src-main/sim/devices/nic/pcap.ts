/** Packets as a capture file with nanosecond times and link type Ethernet (libpcap file format, version 2.4). */
import type { SeenPacket } from './packet-ring.ts';

const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const SNAP_LENGTH = 65_535;
const LINK_TYPE_ETHERNET = 1;
const NS_PER_SECOND = 1e9;

export function toPcap(packets: readonly Pick<SeenPacket, 'timeNs' | 'bytes'>[]): Uint8Array {
  const size = packets.reduce((sum, p) => sum + RECORD_HEADER_BYTES + p.bytes.length, 0);
  const file = new Uint8Array(FILE_HEADER_BYTES + size);
  const view = new DataView(file.buffer);
  view.setUint32(0, MAGIC_NANOSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, SNAP_LENGTH, true);
  view.setUint32(20, LINK_TYPE_ETHERNET, true);
  let at = FILE_HEADER_BYTES;
  for (const { timeNs, bytes } of packets) {
    view.setUint32(at, Math.floor(timeNs / NS_PER_SECOND), true);
    view.setUint32(at + 4, timeNs % NS_PER_SECOND, true);
    view.setUint32(at + 8, bytes.length, true);
    view.setUint32(at + 12, bytes.length, true);
    file.set(bytes, at + RECORD_HEADER_BYTES);
    at += RECORD_HEADER_BYTES + bytes.length;
  }
  return file;
}
