/** Layouts that software programs to send an interrupt, against worked examples. */
import { describe, expect, it } from 'vitest';
import { MsiXTableEntry } from '../../../../src-main/spec/pcie/msi-x.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
  INTERRUPT_ADDRESS_PREFIX,
  RemappableIoApicEntry,
  remappableMessage,
} from '../../../../src-main/spec/vtd/interrupt-message.ts';
import { DELIVERY_MODE } from '../../../../src-main/spec/vtd/interrupt-remap-entry.ts';
import { fromQwords, toQwords } from '../../../support/qwords.ts';

describe('interrupt layouts', () => {
  it('puts a remappable message into an MSI-X table entry', () => {
    const { address, data } = remappableMessage(5, 2);
    const words = MsiXTableEntry.encode({ ADDR: BigInt(address), DATA: data, MASK: 1 });
    expect(toQwords(words)).toEqual(['00000000fee000b8', '0000000100000002']);
  });

  it('splits the index of an I/O APIC entry', () => {
    const entry = RemappableIoApicEntry.encode({
      V: 0x31,
      TM: 1,
      MASK: 1,
      FORMAT: 1,
      INDEX: 0x8005,
    });
    expect(toQwords(entry)).toEqual(['000b000000018831']);
    const decoded = RemappableIoApicEntry.decode(fromQwords('000b000000018831'));
    expect(decoded.INDEX).toBe(0x8005);
  });

  it('spells a compatibility interrupt for xAPIC and x2APIC destinations', () => {
    const xapic = CompatibilityMessageAddress.encode({ PREFIX: INTERRUPT_ADDRESS_PREFIX, DEST: 3 });
    expect(toQwords(xapic)).toEqual(['00000000fee03000']);
    const x2apic = CompatibilityMessageAddress.encode({
      PREFIX: INTERRUPT_ADDRESS_PREFIX,
      DEST: 0x45,
      DEST_HIGH: 0x123,
      RH: 1,
      DM: 1,
    });
    expect(toQwords(x2apic)).toEqual(['00012300fee4500c']);
    const data = CompatibilityMessageData.encode({
      V: 0x41,
      DLM: DELIVERY_MODE.nmi,
      LEVEL: 1,
      TM: 1,
    });
    expect(data[0]).toBe(0xc441);
  });
});
