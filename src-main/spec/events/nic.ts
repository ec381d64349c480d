/** Trace records of the NIC-class function: packets, rings, interrupts and resets of its queue pairs. */
import { STOP_TITLES, VERDICT_TITLES } from '../nic/verdicts.ts';
import { linux, siov } from '../source.ts';
import { defineEvent, type EventField } from './event.ts';

type FieldDeclaration = readonly [type: EventField['type'], title: string];

const ICE = linux('drivers/net/ethernet/intel/ice');
const queue: FieldDeclaration = ['number', 'Queue pair'];
const pasid: FieldDeclaration = ['pasid', 'PASID'];
const address: FieldDeclaration = ['u64', 'Address'];

export const NIC_DOORBELL_RUNG = defineEvent('nic.doorbell.rung', {
  title: 'Doorbell written',
  meaning: 'Software moved a tail: descriptors before it belong to the device.',
  source: siov('3.1'),
  fields: { queue, ring: ['text', 'Ring'], tail: ['number', 'Tail'], head: ['number', 'Head'] },
  template: 'Queue pair {queue}: {ring} tail {tail}, head {head}',
});

export const NIC_PACKET_SENT = defineEvent('nic.packet.sent', {
  title: 'Packet taken from a transmit ring',
  meaning: 'All pieces were read with the PASID of the queue pair; the switch decides next.',
  source: ICE,
  fields: { queue, pasid, bytes: ['number', 'Bytes'], descriptors: ['number', 'Descriptors'] },
  template: 'Queue pair {queue} sent {bytes} bytes from {descriptors} descriptors',
});

export const NIC_PACKET_DELIVERED = defineEvent('nic.packet.delivered', {
  title: 'Packet delivered',
  meaning: 'The packet lies in receive buffers and its descriptors are written back.',
  source: ICE,
  fields: {
    from: ['number', 'From queue pair (-1: wire)'],
    queue,
    pasid,
    bytes: ['number', 'Bytes'],
    address,
  },
  template: 'Queue pair {queue} received {bytes} bytes from {from} at {address}',
  mark: 'good',
});

export const NIC_PACKET_FORWARDED = defineEvent('nic.packet.forwarded', {
  title: 'Packet sent to the wire',
  meaning: 'No queue pair has the destination address.',
  source: ICE,
  fields: { queue, bytes: ['number', 'Bytes'] },
  template: 'A packet of queue pair {queue} left through the wire',
});

export const NIC_PACKET_DROPPED = defineEvent('nic.packet.dropped', {
  title: 'Packet dropped',
  meaning: 'The counter of the queue pair tells how often; nothing else does.',
  source: ICE,
  fields: {
    from: ['number', 'From queue pair (-1: wire)'],
    queue,
    bytes: ['number', 'Bytes'],
    verdict: [{ names: VERDICT_TITLES }, 'Verdict'],
  },
  template: 'Packet of {bytes} bytes from {from} for {queue} {verdict}',
  mark: 'warning',
});

export const NIC_RING_STOPPED = defineEvent('nic.ring.stopped', {
  level: 'guest-error',
  title: 'Ring stopped',
  meaning: 'A DMA of the queue pair failed. The ring stays where it is until it is enabled again.',
  source: ICE,
  fields: {
    queue,
    ring: ['text', 'Ring'],
    pasid,
    reason: [{ names: STOP_TITLES }, 'Reason'],
    address,
  },
  template: 'Queue pair {queue}: the {ring} ring stopped at {address}, {reason}',
  mark: 'fault',
});

export const NIC_WRITE_LOST = defineEvent('nic.write.lost', {
  level: 'guest-error',
  title: 'Write lost on the way',
  meaning: 'Writes are posted: without ATS the device cannot see that one was refused.',
  source: ICE,
  fields: { queue, pasid, address, bytes: ['number', 'Bytes'] },
  template: 'A write of {bytes} bytes to {address} in PASID {pasid} was refused unseen',
  mark: 'warning',
});

export const NIC_INTERRUPT_RAISED = defineEvent('nic.interrupt.raised', {
  title: 'Interrupt raised',
  meaning: 'Moderation let the causes of the queue pair through as one message.',
  source: siov('3.4'),
  fields: {
    queue,
    table: [{ names: { 0: 'MSI-X', 1: 'IMS' } }, 'Table'],
    index: ['number', 'Entry'],
    outcome: [{ names: { 0: 'sent', 1: 'pending', 2: 'ignored', 3: 'off' } }, 'Outcome'],
  },
  template: 'Queue pair {queue} raised {table} entry {index}: {outcome}',
});

export const NIC_QUEUE_RESET = defineEvent('nic.queue.reset', {
  title: 'Queue pair reset',
  meaning: 'One ADI starts anew; PASID, vector and address stay, siblings notice nothing.',
  source: siov('3.6'),
  fields: { queue },
  template: 'Queue pair {queue} was reset',
  mark: 'warning',
});
