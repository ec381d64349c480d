/** What learner scripts and the lab itself write into the event log: the outermost cause of everything they set off. */
import { linux } from '../source.ts';
import { defineEvent } from './event.ts';

const SOURCE = linux('Documentation/process/coding-style.rst');

export const SCRIPT_CALLED = defineEvent('script.call.made', {
  level: 'debug',
  title: 'Script line',
  meaning:
    'A line of a script called a function; everything that follows from it has this record as its cause.',
  source: SOURCE,
  fields: {
    path: ['text', 'File'],
    line: ['number', 'Line'],
    call: ['text', 'Function'],
  },
  template: '{path}:{line} {call}',
});

export const VALUE_REPORTED = defineEvent('script.value.reported', {
  title: 'Value reported',
  meaning: 'The script told the lab what it found.',
  source: SOURCE,
  fields: { key: ['text', 'Name'], value: ['text', 'Value'] },
  template: '{key} = {value}',
});

export const EXPECTATION_CHECKED = defineEvent('script.expectation.checked', {
  title: 'Expectation',
  meaning: 'The script compared what it found with what it expected.',
  source: SOURCE,
  fields: {
    what: ['text', 'What'],
    isMet: ['flag', 'Met'],
    expected: ['text', 'Expected'],
    found: ['text', 'Found'],
  },
  template: '{what}: expected {expected}, found {found}',
});
