/** Interrupt remapping entries, read as the format that they are in. */
import type { Structure } from '../../bits/structure.ts';
import {
  PostedInterruptEntry,
  RemappedInterruptEntry,
  RemappedInterruptEntryXapic,
} from '../../spec/vtd/interrupt-remap-entry.ts';
import { IRTA_REG } from '../../spec/vtd/registers/interrupt-remapping.ts';
import type { Machine } from '../../sim/index.ts';
import { formatAddress } from './sections.ts';

export interface DecodedRemapEntry {
  readonly kind: 'remapped' | 'posted';
  readonly structure: Structure;
  readonly isPresent: boolean;
  readonly vector: number;
  readonly sid: number;
  readonly target: string;
  /** Of posted entries. */
  readonly descriptorAddress?: number;
}

const MODE_BIT = 1 << 15;

export function interruptRemapEntryOf(machine: Machine, words: Uint32Array): DecodedRemapEntry {
  const { registers } = machine.unit;
  const low = words[0] ?? 0;
  if ((low & MODE_BIT) !== 0) {
    const entry = PostedInterruptEntry.decode(words);
    const address = Number(entry.PDA);
    return {
      kind: 'posted',
      structure: PostedInterruptEntry,
      isPresent: entry.P === 1,
      vector: entry.VV,
      sid: entry.SID,
      target: `descriptor ${formatAddress(address)}`,
      descriptorAddress: address,
    };
  }
  const isExtended = IRTA_REG.decode(registers.wordsOf(registers.register('IRTA_REG'))).EIME === 1;
  const layout = isExtended ? RemappedInterruptEntry : RemappedInterruptEntryXapic;
  const entry = layout.decode(words);
  return {
    kind: 'remapped',
    structure: layout,
    isPresent: entry.P === 1,
    vector: entry.V,
    sid: entry.SID,
    target: `APIC ${entry.DST}`,
  };
}
