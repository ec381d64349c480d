/**
 * Elements of the transmit and receive rings. Bit positions as Linux drivers/net/ethernet/intel/ice/ice_lan_tx_rx.h has
 * them for the base transmit descriptor and the 32-byte flexible receive descriptor.
 *
 * Not modelled: context descriptors, header split, checksum and VLAN offload: their fields are stored and reported as zero.
 * The error bit of a finished transmit descriptor is a choice of this model; adapters raise an event instead.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { linux } from '../source.ts';

const SOURCE = linux('drivers/net/ethernet/intel/ice/ice_lan_tx_rx.h');

export const TX_DESCRIPTOR_BYTES = 16;
export const RX_DESCRIPTOR_BYTES = 32;

export const TX_TYPE = { data: 0, context: 1, done: 15 } as const;

/** Command bits of a transmit descriptor. */
export const TX_COMMAND = { endOfPacket: 0x1, reportStatus: 0x2 } as const;

export const TxDescriptor = defineStructure({
  name: 'NicTxDescriptor',
  title: 'Transmit Data Descriptor',
  bytes: TX_DESCRIPTOR_BYTES,
  source: SOURCE,
  note: 'One piece of a packet; the last piece carries End of Packet.',
  fields: {
    bufferAddress: address(63, 0, 'Buffer Address', { shift: 0, note: 'Where the piece lies.' }),
    type: bits(67, 64, 'Descriptor Type', {
      values: { data: 0, context: 1, done: 15 },
      note: 'The device overwrites it with Fh when the packet is out.',
    }),
    endOfPacket: bit(68, 'End of Packet', { note: 'The packet ends with this piece.' }),
    reportStatus: bit(69, 'Report Status', { note: 'Write this descriptor back when done.' }),
    _r70: ignored(79, 70, 'Offload commands'),
    _r80: ignored(97, 80, 'Offload offsets'),
    bufferBytes: bits(111, 98, 'Buffer Size', { format: 'decimal', note: 'Bytes of the piece.' }),
    _r112: ignored(127, 112, 'VLAN tag'),
  },
});

export const TxWriteBack = defineStructure({
  name: 'NicTxWriteBack',
  title: 'Transmit Descriptor, written back',
  bytes: TX_DESCRIPTOR_BYTES,
  source: SOURCE,
  fields: {
    _r0: ignored(63, 0, 'Buffer address as posted'),
    type: bits(67, 64, 'Descriptor Type', {
      values: { done: 15 },
      note: 'Fh: software may reuse this descriptor and all before it.',
    }),
    error: bit(68, 'Error', { note: 'The packet was not sent; the queue has stopped.' }),
    _r69: reserved(127, 69),
  },
});

export const RxDescriptor = defineStructure({
  name: 'NicRxDescriptor',
  title: 'Receive Descriptor, posted',
  bytes: RX_DESCRIPTOR_BYTES,
  source: SOURCE,
  note: 'An empty buffer that software lends to the device.',
  fields: {
    bufferAddress: address(63, 0, 'Packet Buffer Address', {
      shift: 0,
      note: 'Room for one buffer of the size that the queue context names.',
    }),
    headerAddress: address(127, 64, 'Header Buffer Address', {
      shift: 0,
      note: 'Unused here; bit 0 must be 0, because write-back puts Descriptor Done there.',
    }),
    _r128: ignored(255, 128),
  },
});

export const RxWriteBack = defineStructure({
  name: 'NicRxWriteBack',
  title: 'Receive Descriptor, written back',
  bytes: RX_DESCRIPTOR_BYTES,
  source: SOURCE,
  fields: {
    profile: bits(7, 0, 'Profile', { note: 'Layout of the rest; always 0 here.' }),
    cast: bits(15, 8, 'Mirror and cast', {
      values: { unicast: 0, multicast: 0x20, broadcast: 0x40 },
      note: 'Bits 6:5 tell what kind the destination was.',
    }),
    packetType: bits(25, 16, 'Packet Type', { note: 'Not classified here: 0.' }),
    _r26: reserved(31, 26),
    packetBytes: bits(45, 32, 'Packet Length', {
      format: 'decimal',
      note: 'Bytes of the packet in this buffer.',
    }),
    _r46: reserved(47, 46),
    headerFlags: bits(63, 48, 'Header length and flags', { note: 'No header split: 0.' }),
    done: bit(64, 'Descriptor Done', { note: 'The buffer belongs to software again.' }),
    endOfFrame: bit(65, 'End of Frame', { note: 'The packet ends in this buffer.' }),
    _r66: reserved(73, 66),
    error: bit(74, 'Receive Error', { note: 'The buffer could not be written.' }),
    _r75: reserved(79, 75),
    vlan: bits(95, 80, 'VLAN tag', { note: 'No tag stripping: 0.' }),
    hash: bits(127, 96, 'RSS hash', { note: 'One queue a tenant, no hashing: 0.' }),
    _r128: reserved(255, 128),
  },
});

export const CAST = { unicast: 0, multicast: 0x20, broadcast: 0x40 } as const;
