/** Writes of functions to FEEx_xxxxh: which are interrupts and which are not (VT-d 5.10 sections 3.14 and 5.1.2). */
import { describe, expect, it } from 'vitest';
import { Fabric } from '../../../../src-main/sim/pcie/fabric.ts';
import { COMPLETION, createMemoryRequest } from '../../../../src-main/sim/pcie/ports.ts';
import { PASID, RID, TranslatingUnit } from '../../../support/iommu-setup.ts';

const DATA = Uint8Array.of(0x41, 0x40, 0, 0, 0, 0, 0, 0);

function written(pasid: number, bytes: number, input?: bigint) {
  const unit = new TranslatingUnit(input === undefined ? {} : { input });
  const { bench } = unit;
  const fabric = new Fabric(bench.memory, bench.trace);
  fabric.connect(bench.unit);
  const request = { ...createMemoryRequest(), pasid, bytes, low: 0xfee0_1000 };
  const status = fabric.portOf(RID).write(request, DATA, 0);
  return { status, bench, unit };
}

describe('a write to the interrupt range', () => {
  it('of one dword without PASID is an interrupt, whatever the function meant', () => {
    const { status, bench } = written(-1, 4);
    expect(status).toBe(COMPLETION.success);
    expect(bench.messages).toEqual([{ address: 0xfee0_1000n, data: 0x4041 }]);
    expect(bench.records()).toEqual([]);
  });

  it('of another size is blocked', () => {
    const { status, bench } = written(-1, 8);
    expect([status, bench.messages, bench.recordAt(0).FR]).toEqual([1, [], 0x29]);
  });

  it('with PASID is translated like any other', () => {
    const { status, bench, unit } = written(PASID, 4, 0xfee0_1000n);
    expect([status, bench.messages]).toEqual([COMPLETION.success, []]);
    expect(bench.memory.read32(Number(unit.output))).toBe(0x4041);
  });
});
