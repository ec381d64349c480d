/**
 * Trace records of the accelerator: the life of a descriptor, of a command, and of the queues.
 *
 * The record `dsa.descriptor.enqueued` is the cause of everything that the device does for that descriptor.
 */
import { COMMANDS, COMMAND_ERROR_NAMES } from '../dsa/commands.ts';
import { OPERATION_NAMES } from '../dsa/operations.ts';
import { PORTAL_PAGE_NAMES } from '../dsa/portals.ts';
import { STATUS_NAMES } from '../dsa/status-codes.ts';
import { dsa, siov } from '../source.ts';
import { defineEvent, type EventField } from './event.ts';

type FieldDeclaration = readonly [type: EventField['type'], title: string];

const wq = ['number', 'Work queue'] as const satisfies FieldDeclaration;
const pasid = ['pasid', 'PASID'] as const satisfies FieldDeclaration;
const operation = [{ names: OPERATION_NAMES }, 'Operation'] as const satisfies FieldDeclaration;
const status = [{ names: STATUS_NAMES }, 'Status'] as const satisfies FieldDeclaration;
const portal = [{ names: PORTAL_PAGE_NAMES }, 'Portal'] as const satisfies FieldDeclaration;
const engine = ['number', 'Engine'] as const satisfies FieldDeclaration;
const address = ['u64', 'Address'] as const satisfies FieldDeclaration;
const command = [
  { names: Object.fromEntries(COMMANDS.map((c) => [c.code, c.title])) },
  'Command',
] as const satisfies FieldDeclaration;

export const DESCRIPTOR_ENQUEUED = defineEvent('dsa.descriptor.enqueued', {
  title: 'Descriptor enqueued',
  meaning: 'A portal took the 64 bytes; from here on they belong to the work queue.',
  source: dsa('3.3'),
  fields: {
    wq,
    portal,
    pasid,
    operation,
    occupancy: ['number', 'Occupancy after'],
    record: address,
  },
  template:
    'WQ {wq} took {operation} from PASID {pasid} through the {portal} portal, {occupancy} queued',
});

export const PORTAL_RETRIED = defineEvent('dsa.portal.retried', {
  title: 'Submission answered with Retry',
  meaning:
    'ENQCMD reads ZF=1. The queue is full, at its threshold, disabled, or not a shared queue.',
  source: dsa('3.3'),
  fields: { wq, portal, pasid, occupancy: ['number', 'Occupancy'], reason: ['text', 'Reason'] },
  template: 'WQ {wq} answered Retry to PASID {pasid}: {reason}',
});

export const PORTAL_IGNORED = defineEvent('dsa.portal.ignored', {
  level: 'guest-error',
  title: 'Portal write ignored',
  meaning:
    'A posted write that no queue takes vanishes: software gets no status, no record, no error.',
  source: dsa('9.3'),
  fields: { wq, portal, reason: ['text', 'Reason'] },
  template: 'A write to the {portal} portal of WQ {wq} vanished: {reason}',
  mark: 'warning',
});

export const DESCRIPTOR_DISPATCHED = defineEvent('dsa.descriptor.dispatched', {
  title: 'Descriptor dispatched',
  meaning:
    'The arbiter of the group gave the descriptor to an engine; its place in the queue is free again.',
  source: dsa('3.4'),
  fields: { wq, engine, operation, pasid, occupancy: ['number', 'Occupancy after'] },
  template: 'Engine {engine} took {operation} from WQ {wq}',
});

export const MEMBER_DISPATCHED = defineEvent('dsa.batch.member-dispatched', {
  title: 'Batch member dispatched',
  meaning:
    'A descriptor of a batch list starts. It uses the PASID, privilege and portal of the batch.',
  source: dsa('3.8'),
  fields: { wq, engine, index: ['number', 'Index in the batch'], operation },
  template: 'Engine {engine} starts member {index} of a batch of WQ {wq}: {operation}',
});

export const BATCH_FENCED = defineEvent('dsa.batch.fence-failed', {
  title: 'Rest of a batch dropped at a fence',
  meaning:
    'A member before the fence did not end with Success, so the fenced member and all after it are not executed.',
  source: dsa('3.8'),
  fields: {
    wq,
    index: ['number', 'Index of the fenced member'],
    dropped: ['number', 'Members dropped'],
  },
  template: 'The fence at member {index} dropped {dropped} descriptors',
  mark: 'warning',
});

export const DESCRIPTOR_COMPLETED = defineEvent('dsa.descriptor.completed', {
  title: 'Descriptor completed',
  meaning: 'The operation is over and the completion record, if one is due, is visible.',
  source: dsa('8.2'),
  fields: {
    wq,
    engine,
    operation,
    pasid,
    status,
    bytes: ['number', 'Bytes completed'],
    record: address,
    isRecordWritten: ['flag', 'Record written'],
  },
  template: 'WQ {wq}: {operation} of PASID {pasid} ended with {status}',
  mark: 'good',
});

export const DESCRIPTOR_FAILED = defineEvent('dsa.descriptor.failed', {
  title: 'Descriptor failed',
  meaning: 'The completion record, the software error register or the event log says why.',
  source: dsa('5.8'),
  fields: {
    wq,
    engine,
    operation,
    pasid,
    status,
    bytes: ['number', 'Bytes completed'],
    fault: ['u64', 'Fault address'],
    record: address,
    isRecordWritten: ['flag', 'Record written'],
  },
  template: 'WQ {wq}: {operation} of PASID {pasid} ended with {status} after {bytes} bytes',
  mark: 'fault',
});

export const DESCRIPTOR_DROPPED = defineEvent('dsa.descriptor.dropped', {
  title: 'Descriptor dropped',
  meaning: 'Abort and reset may drop work that has not started: no record, no interrupt.',
  source: dsa('3.15'),
  fields: { wq, operation, pasid },
  template: 'WQ {wq} dropped {operation} of PASID {pasid}',
  mark: 'warning',
});

export const WRITE_LOST = defineEvent('dsa.write.lost', {
  level: 'guest-error',
  title: 'Write lost on the way',
  meaning: 'Writes are posted: the device cannot see that one was refused, and may report success.',
  source: dsa('3.13'),
  fields: {
    wq,
    pasid,
    address,
    bytes: ['number', 'Bytes'],
    completion: ['number', 'Completion status'],
  },
  template:
    'A write of {bytes} bytes to {address} in PASID {pasid} was refused, and nobody told the device',
  mark: 'warning',
});

export const DRAIN_STARTED = defineEvent('dsa.drain.waiting', {
  title: 'Drain descriptor waits',
  meaning:
    'It completes after the earlier descriptors of its queue, and of its PASID in a shared queue.',
  source: dsa('8.3.3'),
  fields: { wq, pasid, pending: ['number', 'Descriptors to wait for'] },
  template: 'A Drain in WQ {wq} waits for {pending} descriptors',
});

export const COMMAND_STARTED = defineEvent('dsa.command.started', {
  title: 'Command started',
  meaning: 'Software wrote CMD; Active is 1 until the command is complete.',
  source: dsa('3.15'),
  fields: {
    command,
    operand: ['hex', 'Operand'],
    isInterruptRequested: ['flag', 'Interrupt requested'],
  },
  template: '{command} with operand {operand}',
});

export const COMMAND_COMPLETED = defineEvent('dsa.command.completed', {
  title: 'Command completed',
  meaning: 'CMDSTATUS holds the error code and the result.',
  source: dsa('9.2.13'),
  fields: { command, error: [{ names: COMMAND_ERROR_NAMES }, 'Error'], result: ['hex', 'Result'] },
  template: '{command}: {error}',
});

export const COMMAND_FAILED = defineEvent('dsa.command.failed', {
  level: 'guest-error',
  title: 'Command failed',
  meaning: 'The error code names the check that did not pass; nothing was changed.',
  source: dsa('9.2.13'),
  fields: { command, error: [{ names: COMMAND_ERROR_NAMES }, 'Error'], hint: ['text', 'Hint'] },
  template: '{command} failed: {error}. {hint}',
  mark: 'warning',
});

export const DEVICE_ENABLED = defineEvent('dsa.device.enabled', {
  title: 'Device enabled',
  meaning: 'The configuration passed its checks; work queues may be enabled now.',
  source: dsa('5.1'),
  fields: { wqs: ['number', 'Work queues with a size'], mode: ['text', 'Address mode'] },
  template: 'The device is enabled with {wqs} work queues, addresses are {mode}',
  mark: 'good',
});

export const DEVICE_DISABLED = defineEvent('dsa.device.disabled', {
  title: 'Device disabled',
  meaning: 'No descriptor is left and no queue is enabled.',
  source: dsa('3.15'),
  fields: {},
  template: 'The device is disabled',
});

export const DEVICE_HALTED = defineEvent('dsa.device.halted', {
  level: 'guest-error',
  title: 'Device halted',
  meaning:
    'The device sends nothing upstream any more and answers submissions with Retry, until it is reset.',
  source: dsa('5.7'),
  fields: { code: [{ names: STATUS_NAMES }, 'Error'], resetType: ['number', 'Reset needed'] },
  template: 'The device halted: {code}',
  mark: 'fault',
});

export const WQ_ENABLED = defineEvent('dsa.wq.enabled', {
  title: 'Work queue enabled',
  meaning: 'Its portals take descriptors now.',
  source: dsa('5.2'),
  fields: {
    wq,
    mode: [{ names: { 0: 'shared', 1: 'dedicated' } }, 'Mode'],
    size: ['number', 'Size'],
    pasid,
  },
  template: 'WQ {wq} is enabled, {mode}, {size} entries',
  mark: 'good',
});

export const WQ_DISABLED = defineEvent('dsa.wq.disabled', {
  title: 'Work queue disabled',
  meaning: 'Its portals take nothing, and nothing of it is in progress.',
  source: dsa('3.15'),
  fields: { wq },
  template: 'WQ {wq} is disabled',
});

export const WQ_RESET = defineEvent('dsa.wq.reset', {
  title: 'Work queue reset',
  meaning:
    'The assignable device interface forgot its owner: configuration, staged bytes and counters are cleared.',
  source: dsa('3.15'),
  fields: { wq },
  template: 'WQ {wq} was reset',
});

export const WQ_PAUSED = defineEvent('dsa.wq.paused', {
  title: 'Work queue paused',
  meaning:
    'Its portals still take descriptors, and none is dispatched: the state can be saved once nothing is in progress.',
  source: siov('3'),
  fields: { wq, inProgress: ['number', 'Descriptors in progress'] },
  template: 'WQ {wq} is paused, {inProgress} descriptors are still in progress',
});

export const WQ_WITHDRAWN = defineEvent('dsa.wq.withdrawn', {
  title: 'Descriptors withdrawn',
  meaning:
    'Descriptors that wait for pages left their engines with their progress, so that the queue can be saved without them ending.',
  source: siov('3'),
  fields: {
    wq,
    descriptors: ['number', 'Descriptors'],
    inProgress: ['number', 'Descriptors still in progress'],
  },
  template: 'WQ {wq} took {descriptors} descriptors back, {inProgress} are still in progress',
});

export const WQ_RESUMED = defineEvent('dsa.wq.resumed', {
  title: 'Work queue resumed',
  meaning: 'Descriptors are dispatched again.',
  source: siov('3'),
  fields: { wq },
  template: 'WQ {wq} goes on',
});

export const WQ_RESTORED = defineEvent('dsa.wq.restored', {
  title: 'Work queue state restored',
  meaning: 'Descriptors saved on another device or at another time wait in this queue now.',
  source: siov('3'),
  fields: { wq, descriptors: ['number', 'Descriptors'] },
  template: 'WQ {wq} got {descriptors} saved descriptors',
});

export const OCCUPANCY_REACHED = defineEvent('dsa.wq.occupancy-reached', {
  title: 'Occupancy interrupt raised',
  meaning: 'The queue has drained to the limit that software armed.',
  source: dsa('9.2.24'),
  fields: { wq, occupancy: ['number', 'Occupancy'], limit: ['number', 'Limit'] },
  template: 'WQ {wq} has {occupancy} entries left, the limit is {limit}',
});

export const ERROR_REPORTED = defineEvent('dsa.error.reported', {
  title: 'Error reported',
  meaning:
    'SWERROR keeps the first error; later ones only set its overflow bit. The event log keeps them all.',
  source: dsa('5.8.2'),
  fields: {
    code: [{ names: STATUS_NAMES }, 'Error'],
    sink: ['text', 'Where'],
    wq,
    pasid,
    address,
  },
  template: '{sink} reports {code} of WQ {wq}',
  mark: 'fault',
});

export const PAGE_REQUEST_SENT = defineEvent('dsa.page-request.sent', {
  title: 'Page request sent',
  meaning: 'The descriptor waits until software has made the page present or refused it.',
  source: dsa('3.13'),
  fields: { wq, pasid, address, isWrite: ['flag', 'Write'], group: ['number', 'Group index'] },
  template: 'Page request {group} for {address} of PASID {pasid}',
});

export const PAGE_RESPONSE_RECEIVED = defineEvent('dsa.page-response.received', {
  title: 'Page response received',
  meaning:
    'Success makes the device ask for the translation again; anything else ends the descriptor.',
  source: dsa('3.13'),
  fields: {
    group: ['number', 'Group index'],
    pasid,
    code: [{ names: { 0: 'success', 1: 'invalid request', 15: 'response failure' } }, 'Code'],
  },
  template: 'Page request {group} of PASID {pasid} was answered with {code}',
});

export const INTERRUPT_SENT = defineEvent('dsa.interrupt.sent', {
  title: 'Interrupt sent',
  meaning:
    'A message signalled interrupt left the device: a posted write of the data to the address of the entry.',
  source: dsa('3.7'),
  fields: {
    table: [{ names: { 0: 'MSI-X', 1: 'IMS' } }, 'Table'],
    index: ['number', 'Entry'],
    address,
    data: ['hex', 'Data'],
  },
  template: '{table} entry {index} sent {data} to {address}',
});

export const INTERRUPT_HELD = defineEvent('dsa.interrupt.held', {
  title: 'Interrupt held back',
  meaning:
    'A masked entry remembers the interrupt in its pending bit; an ignored entry forgets it.',
  source: dsa('3.7'),
  fields: {
    table: [{ names: { 0: 'MSI-X', 1: 'IMS' } }, 'Table'],
    index: ['number', 'Entry'],
    reason: ['text', 'Reason'],
  },
  template: '{table} entry {index} sent nothing: {reason}',
});

export const HANDLES_REVOKED = defineEvent('dsa.handles.revoked', {
  title: 'Interrupt handles revoked',
  meaning: 'Software must request new handles; descriptors with an old one end with status 19h.',
  source: dsa('7.5.4'),
  fields: { count: ['number', 'Handles'] },
  template: '{count} interrupt handles were revoked',
});

export const REGISTER_IGNORED = defineEvent('dsa.register.write-ignored', {
  level: 'guest-error',
  title: 'Register write ignored',
  meaning: 'The field is read-only in this state: the hardware drops the write without a word.',
  source: dsa('9.2'),
  fields: {
    register: ['text', 'Register'],
    offset: ['hex', 'Offset'],
    value: ['u64', 'Value'],
    reason: ['text', 'Reason'],
  },
  template: 'Write of {value} to {register} was ignored: {reason}',
});

export const WINDOW_UPDATED = defineEvent('dsa.window.updated', {
  title: 'Inter-domain window updated',
  meaning: 'The owner of an inter-domain entry moved the window that others may reach.',
  source: dsa('3.14'),
  fields: { handle: ['number', 'IDPT handle'], base: ['u64', 'Base'], size: ['u64', 'Size'] },
  template: 'IDPT entry {handle} now opens {size} bytes at {base}',
});
