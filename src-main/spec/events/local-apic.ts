/** Trace events of local APICs and of the routing of interrupt messages to them. */
import { DELIVERY_MODE_NAMES } from '../cpu/local-apic.ts';
import { sdm, vtd } from '../source.ts';
import { defineEvent, type EventFieldType } from './event.ts';

const MODE: EventFieldType = { names: DELIVERY_MODE_NAMES };
const DESTINATION_MODE: EventFieldType = { names: { 0: 'physical', 1: 'logical' } };
const TRIGGER: EventFieldType = { names: { 0: 'edge', 1: 'level' } };

export const APIC_MODE = { disabled: 0, xapic: 1, x2apic: 2 } as const;
export type ApicMode = (typeof APIC_MODE)[keyof typeof APIC_MODE];

export const INTERRUPT_MESSAGE_ROUTED = defineEvent('cpu.interrupt-message.routed', {
  title: 'Interrupt message reached the CPUs',
  meaning:
    'A write to FEEx_xxxxh names a destination and a vector. Every local APIC compares the destination with its identifiers.',
  source: vtd('5.1.6'),
  fields: {
    destination: ['hex', 'Destination'],
    destinationMode: [DESTINATION_MODE, 'Destination mode'],
    vector: ['hex', 'Vector'],
    mode: [MODE, 'Delivery mode'],
    targets: ['number', 'CPUs that match'],
  },
  template: 'Vector {vector} to {destinationMode} destination {destination}: {targets} CPUs',
});

export const INTERRUPT_MESSAGE_LOST = defineEvent('cpu.interrupt-message.lost', {
  level: 'guest-error',
  title: 'Interrupt message lost',
  meaning:
    'No CPU takes the message: the destination names nobody, or the address is no interrupt address.',
  source: sdm('volume 3, "Message Signalled Interrupts"'),
  fields: {
    address: ['u64', 'Message address'],
    data: ['hex', 'Message data'],
    cause: [
      {
        names: {
          0: 'no CPU matches',
          1: 'address outside FEEx_xxxxh',
          2: 'reserved delivery mode',
        },
      },
      'Cause',
    ],
  },
  template: 'Message {data} to {address} lost: {cause}',
  mark: 'warning',
});
export const MESSAGE_LOSS = { nobody: 0, wrongAddress: 1, reservedMode: 2 } as const;
export type MessageLoss = (typeof MESSAGE_LOSS)[keyof typeof MESSAGE_LOSS];

export const INTERRUPT_ACCEPTED = defineEvent('cpu.interrupt.accepted', {
  title: 'Interrupt accepted',
  meaning:
    'The local APIC set the bit of the vector in IRR. A second message with the same vector before the CPU takes the first one changes nothing.',
  source: sdm('volume 3, "Interrupt Acceptance for Fixed Interrupts"'),
  fields: {
    vector: ['hex', 'Vector'],
    trigger: [TRIGGER, 'Trigger mode'],
    wasPending: ['flag', 'Bit was already set'],
  },
  template: 'Vector {vector} pending ({trigger})',
});

export const INTERRUPT_REFUSED = defineEvent('cpu.interrupt.refused', {
  level: 'guest-error',
  title: 'Interrupt refused',
  meaning: 'The local APIC did not take a message that was meant for it.',
  source: sdm('volume 3, "Error Handling" of the local APIC'),
  fields: {
    vector: ['hex', 'Vector'],
    cause: [
      { names: { 0: 'vector below 16', 1: 'APIC disabled by software', 2: 'APIC disabled' } },
      'Cause',
    ],
  },
  template: 'Vector {vector} refused: {cause}',
  mark: 'warning',
});
export const REFUSAL = { illegalVector: 0, softwareDisabled: 1, disabled: 2 } as const;
export type Refusal = (typeof REFUSAL)[keyof typeof REFUSAL];

export const INTERRUPT_TAKEN = defineEvent('cpu.interrupt.taken', {
  title: 'Interrupt taken',
  meaning: 'The CPU acknowledged its highest-priority vector: the bit moved from IRR to ISR.',
  source: sdm('volume 3, "Interrupt Acceptance for Fixed Interrupts"'),
  fields: { vector: ['hex', 'Vector'], request: ['seq', 'Record of the acceptance'] },
  template: 'Vector {vector} in service',
});

export const INTERRUPT_COMPLETED = defineEvent('cpu.interrupt.completed', {
  title: 'End of interrupt',
  meaning: 'Software wrote EOI: the highest vector in service is done and lower ones may be taken.',
  source: sdm('volume 3, "Signaling Interrupt Servicing Completion"'),
  fields: { vector: ['hex', 'Vector'] },
  template: 'EOI of vector {vector}',
});

export const SPECIAL_INTERRUPT_RECEIVED = defineEvent('cpu.special-interrupt.received', {
  title: 'NMI received',
  meaning: 'A non-maskable interrupt is pending; it passes IRR and ISR by.',
  source: sdm('volume 3, "Error Handling" of the local APIC'),
  fields: { mode: [MODE, 'Delivery mode'] },
  template: '{mode} pending',
});

export const SPECIAL_INTERRUPT_IGNORED = defineEvent('cpu.special-interrupt.ignored', {
  level: 'unimplemented',
  title: 'Delivery mode not modelled',
  meaning:
    'SMI, INIT, start-up and ExtINT messages arrive, but the model of the CPU does nothing with them.',
  source: sdm('volume 3, "Error Handling" of the local APIC'),
  fields: { mode: [MODE, 'Delivery mode'], vector: ['hex', 'Vector'] },
  template: '{mode} message ignored',
});

export const IPI_SENT = defineEvent('cpu.ipi.sent', {
  title: 'Inter-processor interrupt sent',
  meaning: 'Software wrote the interrupt command register.',
  source: sdm('volume 3, "Issuing Interprocessor Interrupts"'),
  fields: {
    vector: ['hex', 'Vector'],
    mode: [MODE, 'Delivery mode'],
    destination: ['hex', 'Destination'],
    shorthand: [{ names: { 0: 'none', 1: 'self', 2: 'all', 3: 'all but self' } }, 'Shorthand'],
  },
  template: 'IPI vector {vector} to {destination}, shorthand {shorthand}',
});

export const APIC_MODE_CHANGED = defineEvent('cpu.apic.switched', {
  title: 'Local APIC mode changed',
  meaning: 'IA32_APIC_BASE chose another mode. In x2APIC mode identifiers have 32 bits.',
  source: sdm('volume 3, "x2APIC State Transitions"'),
  fields: {
    mode: [{ names: { 0: 'disabled', 1: 'xAPIC', 2: 'x2APIC' } }, 'Mode'],
    id: ['hex', 'APIC ID'],
  },
  template: 'APIC {id}: {mode}',
});
