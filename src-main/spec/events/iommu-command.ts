/** Trace events of the virtual and the enhanced command interfaces. */
import { vtd } from '../source.ts';
import { defineEvent } from './event.ts';

export const VIRTUAL_COMMAND_STARTED = defineEvent('iommu.virtual-command.started', {
  title: 'Virtual command started',
  meaning:
    'The guest asks its VMM, for instance for a host PASID; VCRSP_REG.IP is 1 until the answer is there.',
  source: vtd('11.4.16'),
  fields: { command: ['number', 'Command'], operand: ['u64', 'Operand'] },
  template: 'Command {command}, operand {operand}',
});

export const VIRTUAL_COMMAND_COMPLETED = defineEvent('iommu.virtual-command.completed', {
  title: 'Virtual command completed',
  meaning: 'The answer is in VCRSP_REG.',
  source: vtd('11.4.16'),
  fields: {
    command: ['number', 'Command'],
    status: ['number', 'Status code'],
    pasid: ['pasid', 'PASID'],
  },
  template: 'Command {command}: status {status}, PASID {pasid}',
});

export const VIRTUAL_COMMAND_DROPPED = defineEvent('iommu.virtual-command.dropped', {
  level: 'guest-error',
  title: 'Virtual command dropped',
  meaning: 'VCMD_REG was written while an earlier command was still in progress.',
  source: vtd('11.4.16'),
  fields: { command: ['number', 'Command in progress'] },
  template: 'Write dropped: command {command} is in progress',
  mark: 'warning',
});

export const ENHANCED_COMMAND_COMPLETED = defineEvent('iommu.enhanced-command.completed', {
  title: 'Enhanced command completed',
  meaning: 'The status is in ECRSP_REG.',
  source: vtd('11.4.14'),
  fields: {
    command: ['hex', 'Command'],
    operandA: ['u64', 'Operand A'],
    operandB: ['u64', 'Operand B'],
    status: ['number', 'Status code'],
  },
  template: 'Command {command}: status {status}',
});

export const ENHANCED_COMMAND_DROPPED = defineEvent('iommu.enhanced-command.dropped', {
  level: 'guest-error',
  title: 'Enhanced command dropped',
  meaning: 'ECMD_REG was written while an earlier command was still in progress.',
  source: vtd('11.4.14'),
  fields: { command: ['hex', 'Command in progress'] },
  template: 'Write dropped: command {command} is in progress',
  mark: 'warning',
});

export const COUNTERS_NOT_MODELLED = defineEvent('iommu.performance-counter.unmodelled', {
  level: 'unimplemented',
  title: 'Performance counters do not count',
  meaning: 'Counter commands change the state of a counter, but the model counts no events.',
  source: vtd('11.4.14'),
  fields: { command: ['hex', 'Command'], counter: ['number', 'Counter'] },
  template: 'Command {command} on counter {counter}: counters do not count',
});
