import { describe, expect, it } from 'vitest';
import { fieldRows } from '../../../src-main/bits/field-rows.ts';
import { ScalableContextEntry } from '../../../src-main/spec/vtd/context-entry.ts';
import { SecondStage2MLeaf } from '../../../src-main/spec/paging/second-stage-entry.ts';
import {
  decodeCapability,
  DEFAULT_PROFILE,
  SERVER_PROFILE,
} from '../../../src-main/spec/vtd/capability-profile.ts';
import { FSTS_REG } from '../../../src-main/spec/vtd/registers/fault.ts';

function table(rows: ReturnType<typeof fieldRows>): readonly string[] {
  return rows.map((r) => {
    const marks = [r.isReserved ? 'reserved' : '', r.isViolated === true ? 'VIOLATED' : ''];
    return [r.bits, r.name, r.value, r.access ?? '', ...marks].filter((t) => t !== '').join(' ');
  });
}

describe('field rows', () => {
  const { context } = decodeCapability(DEFAULT_PROFILE);

  it('print a context entry in bit order with names of values', () => {
    const words = ScalableContextEntry.encode({
      P: 1,
      DTE: 1,
      PASIDE: 1,
      PDTS: 7,
      PASIDDIRPTR: 0x2_0000n,
      RID_PASID: 0x1f,
    });
    const { source } = ScalableContextEntry;
    expect(table(fieldRows(ScalableContextEntry, source, words, context))).toMatchInlineSnapshot(`
      [
        "[0] P 1",
        "[1] FPD 0",
        "[2] DTE 1",
        "[3] PASIDE 1",
        "[4] PRE 0",
        "[5] HPTE 0 reserved",
        "[6] EPTR 0 reserved",
        "[8:7] reserved 0 reserved",
        "[11:9] PDTS 7",
        "[63:12] PASIDDIRPTR 0x0000_0002_0000",
        "[83:64] RID_PASID 0x1f",
        "[84] RID_PRIV 0",
        "[255:85] reserved 0 reserved",
      ]
    `);
  });

  it('explain a field whose capability is missing and mark it when it is set', () => {
    const server = decodeCapability(SERVER_PROFILE).context;
    const words = ScalableContextEntry.encode({ P: 1, PASIDE: 1 });
    const rows = fieldRows(ScalableContextEntry, ScalableContextEntry.source, words, server);
    expect(rows.find((r) => r.name === 'PASIDE')).toMatchObject({
      isReserved: true,
      isViolated: true,
      meaning: 'Reserved: this unit does not report PASID',
    });
  });

  it('print a large page with its type by name', () => {
    const words = SecondStage2MLeaf.encode({ R: 1, W: 1, EMT: 6, PS: 1, ADDR: 0x4000_0000n });
    const rows = fieldRows(SecondStage2MLeaf, SecondStage2MLeaf.source, words, context);
    expect(table(rows)).toMatchInlineSnapshot(`
      [
        "[0] R 1",
        "[1] W 1",
        "[2] ignored 0 reserved",
        "[5:3] EMT 6 (WB)",
        "[6] IPAT 0",
        "[7] PS 1",
        "[8] A 0",
        "[9] D 0",
        "[10] ignored 0 reserved",
        "[11] SNP 0",
        "[20:12] reserved 0 reserved",
        "[51:21] ADDR 0x0000_4000_0000",
        "[60:52] ignored 0 reserved",
        "[61] IR 0",
        "[62] IW 0 reserved",
        "[63] ignored 0 reserved",
      ]
    `);
  });

  it('print a register with access types and its source', () => {
    const rows = fieldRows(FSTS_REG, FSTS_REG.source, FSTS_REG.encode({ PPF: 1, FRI: 3 }), context);
    expect(table(rows)).toMatchInlineSnapshot(`
      [
        "[0] PFO 0 RW1CS",
        "[1] PPF 1 ROS",
        "[3:2] reserved 0 RsvdZ reserved",
        "[4] IQE 0 RW1CS",
        "[5] ICE 0 RW1CS",
        "[6] ITE 0 RW1CS",
        "[7] reserved 0 RsvdZ reserved",
        "[15:8] FRI 3 ROS",
        "[31:16] reserved 0 RsvdZ reserved",
      ]
    `);
    expect(rows[0]?.source).toBe('VT-d 5.10 section 11.4.7.1');
  });
});
