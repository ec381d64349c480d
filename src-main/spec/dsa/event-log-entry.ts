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
    descriptorValid: bit(2, 'Descriptor Fields Valid'),
    wqValid: bit(3, 'WQ Index Valid'),
    batch: bit(4, 'Batch Member'),
    write: bit(5, 'Faulting Access was a Write'),
    priv: bit(6, 'Privileged'),
    informationValid: bit(7, 'Error Information Valid'),
    code: bits(15, 8, 'Error Code'),
    wq: bits(23, 16, 'WQ Index', { format: 'decimal' }),
    batchId: bits(31, 24, 'Batch Identifier', { format: 'decimal' }),
    operation: bits(39, 32, 'Operation'),
    pasid: bits(59, 40, 'PASID'),
    wqHigh: bits(63, 60, 'WQ Index, upper bits', { capability: 'WIDE_WQ' }),
    batchIndex: bits(79, 64, 'Batch Index', { format: 'decimal' }),
    _r1: reserved(95, 80),
    handle: bits(111, 96, 'Interrupt or IDPT Handle', {
      note: 'Invalid flags for code 11h: bits 119:96.',
    }),
    interruptRequired: bit(112, 'Completion Interrupt Required'),
    imsPortal: bit(113, 'IMS Portal'),
    recordRequired: bit(114, 'Completion Record Required', {
      note: 'The entry holds the record to write.',
    }),
    firstInBatch: bit(115, 'First Error in Batch'),
    information: bits(124, 116, 'Error Information'),
    operand: bits(127, 125, 'Operand Identifier'),
    address: address(191, 128, 'Address', { shift: 0 }),
    _r2: reserved(255, 192),
    recordHead: bits(287, 256, 'Completion Record: Status and Result'),
    recordBytes: bits(319, 288, 'Completion Record: Bytes Completed', { format: 'decimal' }),
    recordAddress: address(383, 320, 'Completion Record: Fault Address', { shift: 0 }),
    recordData: wide(511, 384, 'Completion Record: Operation-specific'),
  },
});
