/**
 * One entry of an ATS translation completion: what a device TLB gets to hold. VT-d 5.10 sections 4.1 and 4.2.
 *
 * The eight bytes travel most significant byte first; bit numbers here are those of the 64-bit value.
 */
import { address, bit, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

export const TranslationCompletionEntry = defineStructure({
  name: 'TranslationCompletionEntry',
  title: 'Translation Completion Data Entry',
  bytes: 8,
  source: vtd('4.2'),
  note: 'R=W=0 must not be remembered as "never": the device asks again after a page response.',
  fields: {
    R: bit(0, 'Read', { note: 'The device may read with the translated address.' }),
    W: bit(1, 'Write', { note: 'The device may write with the translated address.' }),
    U: bit(2, 'Untranslated Access Only', {
      note: 'Only untranslated requests are allowed: the interrupt range.',
    }),
    EXE: bit(3, 'Execute', { note: 'Always 0 now.' }),
    PRIV: bit(4, 'Privileged Mode', { note: 'The rights are those of supervisor requests.' }),
    G: bit(5, 'Global Mapping', { note: 'Always 0.' }),
    _r6: reserved(9, 6),
    N: bit(10, 'Non-snooped Access', {
      note: '1: requests that use the translation must snoop, whatever the name suggests.',
    }),
    S: bit(11, 'Size', {
      note: '1: larger than 4 KB; the lowest zero of the page number tells the size.',
    }),
    ADDR: address(63, 12, 'Translated Address', { note: 'Host physical address.' }),
  },
});
