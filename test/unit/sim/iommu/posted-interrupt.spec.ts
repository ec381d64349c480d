import { describe, expect, it } from 'vitest';
import { COMPLETION } from '../../../../src-main/sim/pcie/ports.ts';
import { INTERRUPT_POSTED, NOTIFICATION_SENT } from '../../../../src-main/spec/events/interrupt.ts';
import { DESCRIPTOR, InterruptBench, SID, postedEntry } from '../../../support/interrupt-bench.ts';
import { fromQwords } from '../../../support/qwords.ts';
import { kindsOf, lastOf } from '../../../support/trace-records.ts';

const OK = COMPLETION.success;
/** x2APIC identifier with bits on both sides of bit 8. */
const NDST = 0x0100_0202;
const NOTIFICATION = { address: 0x0100_0200_fee0_2000n, data: 0x40f2 } as const;

function posted(urgent: boolean, on: 0 | 1, sn: 0 | 1): InterruptBench {
  const bench = new InterruptBench();
  bench.setEntry(7, postedEntry({ URG: urgent ? 1 : 0 }));
  bench.setDescriptor({ NV: 0xf2, NDST, ON: on, SN: sn });
  expect(bench.request(7)).toBe(OK);
  return bench;
}

describe('posting', () => {
  it('the published posted entry posts vector 51h to descriptor 1_2345_6780h', () => {
    const bench = new InterruptBench();
    const words = fromQwords('234567800051c001 0000000100040318');
    expect(postedEntry({ URG: 1, PDA: 0x1_2345_6780n })).toEqual(words);
    bench.setEntry(5, words);
    bench.setDescriptor({ NV: 0xf2, NDST, SN: 1 }, 0x1_2345_6780);
    expect(bench.request(5)).toBe(OK);
    expect(bench.descriptor(0x1_2345_6780)).toMatchObject({ PIR: 1n << 0x51n, ON: 1 });
    expect(bench.delivered).toEqual([NOTIFICATION]);
  });

  it.each([
    { urgent: false, on: 0, sn: 0, notifies: true },
    { urgent: false, on: 0, sn: 1, notifies: false },
    { urgent: false, on: 1, sn: 0, notifies: false },
    { urgent: false, on: 1, sn: 1, notifies: false },
    { urgent: true, on: 0, sn: 0, notifies: true },
    { urgent: true, on: 0, sn: 1, notifies: true },
    { urgent: true, on: 1, sn: 0, notifies: false },
    { urgent: true, on: 1, sn: 1, notifies: false },
  ] as const)('URG=$urgent ON=$on SN=$sn: notification $notifies', (given) => {
    const bench = posted(given.urgent, given.on, given.sn);
    expect(bench.descriptor()).toEqual({
      PIR: 1n << 0x51n,
      ON: given.on === 1 || given.notifies ? 1 : 0,
      SN: given.sn,
      NV: 0xf2,
      NDST,
    });
    expect(bench.delivered).toEqual(given.notifies ? [NOTIFICATION] : []);
    expect(lastOf(bench.trace, INTERRUPT_POSTED).values).toEqual({
      rid: SID,
      index: 7,
      vector: 0x51,
      descriptor: BigInt(DESCRIPTOR),
      isUrgent: given.urgent ? 1 : 0,
      wasOutstanding: given.on,
      isSuppressed: given.sn,
      notifies: given.notifies ? 1 : 0,
    });
    expect(kindsOf(bench.trace).includes(NOTIFICATION_SENT.kind)).toBe(given.notifies);
  });

  it('collects vectors and notifies once until software clears ON', () => {
    const bench = new InterruptBench();
    const vectors = [0x10, 0x1f, 0x20, 0x51, 0xff];
    bench.setDescriptor({ NV: 0xf2, NDST });
    vectors.forEach((VV, i) => {
      bench.setEntry(i, postedEntry({ VV }));
      bench.request(i);
    });
    expect(bench.delivered).toHaveLength(1);
    expect(bench.descriptor().PIR).toBe(vectors.reduce((pir, v) => pir | (1n << BigInt(v)), 0n));
    bench.setDescriptor({ NV: 0xf2, NDST });
    bench.request(0);
    expect(bench.delivered).toHaveLength(2);
    expect(bench.remapping.counters).toMatchObject({ posted: 6, notifications: 2 });
  });

  it('xAPIC notification destinations are bits 303:296, and other NDST bits are reserved', () => {
    const bench = new InterruptBench({ isExtended: false });
    bench.setEntry(7, postedEntry());
    bench.setDescriptor({ NV: 0xf2, NDST: 0x0000_0500 });
    expect(bench.request(7)).toBe(OK);
    expect(bench.delivered).toEqual([{ address: 0xfee0_5000n, data: 0x40f2 }]);
    for (const NDSTBits of [0x0000_0001, 0x0001_0000, 0x8000_0000]) {
      bench.setDescriptor({ NV: 0xf2, NDST: NDSTBits });
      expect(bench.request(7)).toBe(COMPLETION.unsupportedRequest);
    }
    expect(bench.faults.map((f) => f.reason)).toEqual([0x28, 0x28, 0x28]);
  });

  it('takes 32 bits of NDST with EIME=1', () => {
    const bench = new InterruptBench();
    bench.setEntry(7, postedEntry());
    bench.setDescriptor({ NV: 0xf2, NDST: 0xffff_ffff });
    expect(bench.request(7)).toBe(OK);
    expect(bench.delivered[0]?.address).toBe(0xffff_ff00_feef_f000n);
  });
});
