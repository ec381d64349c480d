/**
 * Exceptions that the modelled instructions and page walks raise, and the error code of a page fault. Intel SDM volume 3,
 * "Interrupt and Exception
 * Handling" and "Page-Fault Exceptions".
 */
import { bit, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { sdm } from '../source.ts';

export const EXCEPTION = {
  /** #UD */
  invalidOpcode: 6,
  /** #GP */
  generalProtection: 13,
  /** #PF */
  pageFault: 14,
} as const;
export type ExceptionVector = (typeof EXCEPTION)[keyof typeof EXCEPTION];

export const EXCEPTION_NAMES: Readonly<Record<ExceptionVector, string>> = {
  6: '#UD',
  13: '#GP',
  14: '#PF',
};

export const PageFaultErrorCode = defineStructure({
  name: 'PageFaultErrorCode',
  title: 'Page-Fault Error Code',
  bytes: 4,
  source: sdm('volume 3, "Page-Fault Exceptions"'),
  note: 'Pushed on the stack by #PF; CR2 holds the linear address.',
  fields: {
    P: bit(0, 'Present', { note: '0: an entry was not present; 1: rights or reserved bits.' }),
    WR: bit(1, 'Write', { note: 'The access was a write.' }),
    US: bit(2, 'User', { note: 'The access was made at CPL 3.' }),
    RSVD: bit(3, 'Reserved bit', { note: 'An entry on the path had a reserved bit set.' }),
    ID: bit(4, 'Instruction fetch', { note: 'The access was an instruction fetch.' }),
    _r0: reserved(31, 5),
  },
});
