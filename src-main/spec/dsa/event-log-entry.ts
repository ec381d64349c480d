/**
 * Event log entry of version 2 and later: an error, and where needed the completion record that the device could not
 * write. DSA 3.0 section 5.9.
 *
 * Software fixes the page, writes the record to `address` in that PASID, raises the requested interrupt and moves on.
 */
import { address, bit, bits, reserved, wide } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { dsa } from '../source.ts';

export const EVENT_LOG_ENTRY_BYTES = 64;

export const EventLogEntry = defineStructure({
  name: 'DsaEventLogEntry',
  title: 'Event Log Entry',
  bytes: EVENT_LOG_ENTRY_BYTES,
  source: dsa('5.9'),
  fields: {
    _r0: reserved(1, 0),
    descriptorValid: bit(2, 'Descriptor Fields Valid', {
      note: 'Operation, PASID and batch fields mean something.',
    }),
    wqValid: bit(3, 'WQ Index Valid', { note: 'The WQ index means something.' }),
    batch: bit(4, 'Batch Member', { note: 'The descriptor was in a batch.' }),
    write: bit(5, 'Faulting Access was a Write', { note: 'The access that faulted was a write.' }),
    priv: bit(6, 'Privileged', { note: 'The descriptor was privileged.' }),
    informationValid: bit(7, 'Error Information Valid', {
      note: 'The error information means something.',
    }),
    code: bits(15, 8, 'Error Code', { note: 'A completion status.' }),
    wq: bits(23, 16, 'WQ Index', {
      format: 'decimal',
      note: 'Queue that the descriptor came from.',
    }),
    batchId: bits(31, 24, 'Batch Identifier', {
      format: 'decimal',
      note: 'Joins the entries of one batch.',
    }),
    operation: bits(39, 32, 'Operation', { note: 'Operation code of the descriptor.' }),
    pasid: bits(59, 40, 'PASID', { note: 'Address space in which software writes the record.' }),
    wqHigh: bits(63, 60, 'WQ Index, upper bits', {
      capability: 'WIDE_WQ',
      note: 'Simulator extension: bits 11:8 of the WQ index.',
    }),
    batchIndex: bits(79, 64, 'Batch Index', { format: 'decimal', note: 'Place in the batch.' }),
    _r1: reserved(95, 80),
    handle: bits(111, 96, 'Interrupt or IDPT Handle', {
      note: 'Invalid flags for code 11h: bits 119:96.',
    }),
    interruptRequired: bit(112, 'Completion Interrupt Required', {
      note: 'Software raises the completion interrupt in place of the device.',
    }),
    imsPortal: bit(113, 'IMS Portal', { note: 'The handle names an IMS entry.' }),
    recordRequired: bit(114, 'Completion Record Required', {
      note: 'The entry holds the record to write.',
    }),
    firstInBatch: bit(115, 'First Error in Batch', {
      note: 'Forget what an earlier batch with this identifier left.',
    }),
    information: bits(124, 116, 'Error Information', {
      note: 'Further information, by error code.',
    }),
    operand: bits(127, 125, 'Operand Identifier', { note: 'Which address faulted.' }),
    address: address(191, 128, 'Address', {
      shift: 0,
      note: 'Address that faulted, or of the completion record.',
    }),
    _r2: reserved(255, 192),
    recordHead: bits(287, 256, 'Completion Record: Status and Result', {
      note: 'First four bytes of the record.',
    }),
    recordBytes: bits(319, 288, 'Completion Record: Bytes Completed', {
      format: 'decimal',
      note: 'Bytes or descriptors completed.',
    }),
    recordAddress: address(383, 320, 'Completion Record: Fault Address', {
      shift: 0,
      note: 'Fault address of the record.',
    }),
    recordData: wide(511, 384, 'Completion Record: Operation-specific', {
      note: 'Last sixteen bytes of the record.',
    }),
  },
});
