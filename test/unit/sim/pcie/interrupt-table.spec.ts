import { describe, expect, it } from 'vitest';
import {
  InterruptTable,
  RAISE,
  type SendInterrupt,
} from '../../../../src-main/sim/pcie/interrupt-table.ts';
import { MsixTable, pendingArrayBytes } from '../../../../src-main/sim/pcie/msix-table.ts';

function tableWith(isAlwaysOn = false): { table: InterruptTable; sent: number[][] } {
  const sent: number[][] = [];
  const table = new InterruptTable(
    { entries: 70, isAlwaysOn, ...(isAlwaysOn ? { resetAddressLow: 0xfee0_0000 } : {}) },
    (index, high, low, data) => {
      sent.push([index, high, low, data]);
    },
  );
  return { table, sent };
}

describe('interrupt table', () => {
  it('sends nothing and remembers nothing while it is off', () => {
    const { table, sent } = tableWith();
    table.setMasked(3, false);
    expect(table.raise(3)).toBe(RAISE.off);
    table.setEnabled(true);
    expect(sent).toEqual([]);
  });

  it('sends the message of an open entry', () => {
    const { table, sent } = tableWith();
    table.setEnabled(true);
    table.setMessage(3, 0, 0xfee0_1000);
    table.setMessage(3, 1, 1);
    table.setMessage(3, 2, 0x42);
    table.setMasked(3, false);
    expect(table.raise(3)).toBe(RAISE.sent);
    expect(sent).toEqual([[3, 1, 0xfee0_1000, 0x42]]);
  });

  it('sends what it held back with the record that it follows from, the first of several', () => {
    let cause = 1;
    const causes: (number | undefined)[] = [];
    const send = (...[, , , , of]: Parameters<SendInterrupt>): void => {
      causes.push(of);
    };
    const options = { entries: 4, isAlwaysOn: true, cause: () => cause };
    const table = new InterruptTable(options, send);
    table.raise(2);
    cause = 2;
    table.raise(2);
    table.raise(3);
    table.clearPending();
    table.raise(2);
    const copy = new InterruptTable(options, send);
    copy.restore(table.snapshot());
    cause = 5;
    for (const each of [table, copy]) {
      each.setMasked(3, false);
      each.setMasked(2, false);
      each.raise(2);
    }
    expect(causes).toEqual([2, undefined, 2, undefined]);
  });

  it('remembers a masked one, by entry or for the whole function', () => {
    const { table, sent } = tableWith();
    table.setEnabled(true);
    expect(table.raise(3)).toBe(RAISE.pending);
    table.setFunctionMasked(true);
    table.setMasked(3, false);
    expect(sent).toEqual([]);
    expect(table.isPending(3)).toBe(true);
    table.setFunctionMasked(false);
    expect(sent).toHaveLength(1);
    expect(table.isPending(3)).toBe(false);
  });

  it('ignores completions where told to, but not other causes', () => {
    const { table, sent } = tableWith(true);
    table.setMasked(3, false);
    table.setPermission(3, true, 7);
    expect(table.raiseUnlessIgnored(3)).toBe(RAISE.ignored);
    expect(table.raise(3)).toBe(RAISE.sent);
    expect(sent).toHaveLength(1);
  });

  it.each([
    [undefined, -1, true],
    [undefined, 0, false],
    [7, 7, true],
    [7, 8, false],
    [7, -1, false],
    [0, 0, true],
    [0, -1, false],
  ])('lets PASID enable %s be named by PASID %i: %s', (pasid, user, isAllowed) => {
    const { table } = tableWith(true);
    table.setPermission(3, false, pasid);
    expect(table.isAllowed(3, user)).toBe(isAllowed);
  });

  it('resets messages, masks and permissions', () => {
    const { table } = tableWith(true);
    table.setMessage(3, 0, 0xfee0_1000);
    table.setMasked(3, false);
    table.setPermission(3, true, 7);
    table.raise(4);
    table.reset();
    expect(table.entry(3)).toEqual({
      index: 3,
      addressHigh: 0,
      addressLow: 0xfee0_0000,
      data: 0,
      isMasked: true,
      isPending: false,
      isIgnored: false,
    });
    expect(table.isPending(4)).toBe(false);
  });

  it('restores what it gave away, which it does not share', () => {
    const { table } = tableWith();
    table.setEnabled(true);
    table.setMessage(3, 2, 9);
    table.raise(69);
    const state = table.snapshot();
    table.reset();
    expect(state.messages[3 * 3 + 2]).toBe(9);
    table.restore(state);
    expect(table.entry(3).data).toBe(9);
    expect(table.isPending(69)).toBe(true);
    expect(table.isEnabled).toBe(true);
  });
});

describe('MSI-X face', () => {
  it('reads and writes entries in dwords and quadwords', () => {
    const { table } = tableWith();
    const face = new MsixTable(table);
    face.writeTable(5 * 16, 8, 0x1_fee0_0007n);
    face.writeTable(5 * 16 + 8, 8, 0x0000_0000_0000_0042n);
    expect(face.readTable(5 * 16, 8)).toBe(0x1_fee0_0004n);
    expect(face.readTable(5 * 16 + 8, 4)).toBe(0x42n);
    expect(face.readTable(5 * 16 + 12, 4)).toBe(0n);
    face.writeTable(5 * 16 + 12, 4, 0xffff_ffffn);
    expect(face.readTable(5 * 16 + 8, 8)).toBe(0x1_0000_0042n);
    expect([face.tableBytes, face.pendingBytes, pendingArrayBytes(64)]).toEqual([70 * 16, 16, 8]);
  });

  it('shows pending bits in words of 64', () => {
    const { table } = tableWith();
    const face = new MsixTable(table);
    table.setEnabled(true);
    [0, 33, 69].forEach((index) => table.raise(index));
    expect(face.readPending(0, 8)).toBe((1n << 33n) | 1n);
    expect(face.readPending(8, 8)).toBe(1n << 5n);
    expect(face.readPending(4, 4)).toBe(2n);
    table.clearPending();
    expect(face.readPending(0, 8)).toBe(0n);
  });
});
