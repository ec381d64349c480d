/** Trace records of the QAT-class accelerator: requests, responses, interrupts and resets of ring pairs. */
import { linux, siov } from '../source.ts';
import { defineEvent, type EventField } from './event.ts';

type FieldDeclaration = readonly [type: EventField['type'], title: string];

const QAT = linux('drivers/crypto/intel/qat/qat_common');
const pair: FieldDeclaration = ['number', 'Ring pair'];
const pasid: FieldDeclaration = ['pasid', 'PASID'];
const service: FieldDeclaration = [
  { names: { 0: 'nothing', 4: 'crypto', 9: 'compression' } },
  'Service',
];

export const QAT_DOORBELL_RUNG = defineEvent('qat.doorbell.rung', {
  title: 'Doorbell written',
  meaning: 'Somebody moved the tail of the request ring: requests before it belong to the device.',
  source: QAT,
  fields: { pair, tail: ['hex', 'Tail'], head: ['hex', 'Head'] },
  template: 'Ring pair {pair}: request tail {tail}, head {head}',
});

export const QAT_REQUEST_FETCHED = defineEvent('qat.request.fetched', {
  title: 'Request fetched',
  meaning: 'The arbiter chose the ring pair and the device read 128 bytes at its head.',
  source: QAT,
  fields: { pair, pasid, service, command: ['number', 'Command'], head: ['hex', 'Head'] },
  template: 'Ring pair {pair}: {service} command {command} of PASID {pasid}',
});

export const QAT_RESPONSE_WRITTEN = defineEvent('qat.response.written', {
  title: 'Response written',
  meaning:
    'The response slot is not empty any more; the opaque value tells which request it answers.',
  source: QAT,
  fields: {
    pair,
    service,
    status: ['hex', 'Status bits'],
    opaque: ['u64', 'Opaque value'],
    tail: ['hex', 'Tail'],
  },
  template: 'Ring pair {pair} answered {opaque} with status {status}',
  mark: 'good',
});

export const QAT_PAIR_HALTED = defineEvent('qat.pair.halted', {
  level: 'guest-error',
  title: 'Ring pair halted',
  meaning: 'A ring could not be read or written, or software broke its rules. Only a reset helps.',
  source: QAT,
  fields: { pair, pasid, reason: ['text', 'Reason'], address: ['u64', 'Address'] },
  template: 'Ring pair {pair} halted: {reason} at {address}',
  mark: 'fault',
});

export const QAT_INTERRUPT_RAISED = defineEvent('qat.interrupt.raised', {
  title: 'Interrupt raised',
  meaning: 'Responses wait and coalescing let the interrupt through, or a ring met an exception.',
  source: siov('3.4'),
  fields: {
    pair,
    table: [{ names: { 0: 'MSI-X', 1: 'IMS' } }, 'Table'],
    index: ['number', 'Entry'],
    outcome: [{ names: { 0: 'sent', 1: 'pending', 2: 'ignored', 3: 'off' } }, 'Outcome'],
  },
  template: 'Ring pair {pair} raised {table} entry {index}: {outcome}',
});

export const QAT_PAIR_RESET = defineEvent('qat.pair.reset', {
  title: 'Ring pair reset',
  meaning: 'One ADI starts anew; PASID and vector stay, siblings notice nothing.',
  source: siov('3.6'),
  fields: { pair },
  template: 'Ring pair {pair} was reset',
  mark: 'warning',
});
