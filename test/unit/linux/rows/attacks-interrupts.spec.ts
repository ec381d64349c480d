/** Row 71, attacks 8.5b, 8.5c and 8.5e: interrupts that are somebody else's, or too many. VT-d 5.10 chapter 5. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { ADDRESS_TYPE } from '../../../../src-main/sim/index.ts';
import { COMMAND } from '../../../../src-main/spec/dsa/commands.ts';
import { STATUS } from '../../../../src-main/spec/dsa/status-codes.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import { bootIdxd, DSA_BDF, dsaDevice, type IdxdLab } from '../../../support/linux-idxd.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  listenToCompletions,
  plugVdev,
  prepareCopy,
} from '../../../support/vm-idxd.ts';

const MSI_WINDOW = 0xfee0_0000;
const VECTOR = 0x77;
const MSIX_TABLE = 0x2000;
const COMMAND_REGISTER = 0xa0;
const REQUEST_INTERRUPT = 0x8000_0000;

const reasons = (lab: IdxdLab): unknown[] =>
  lab.rows('iommu.fault.recorded').map((r) => r.values['reason']);

/** Gives a command whose completion interrupt is entry 0 of the accelerator's MSI-X table. */
function interruptFrom(lab: IdxdLab, index: number): void {
  const { base } = defined(lab.kernel.idxd.devices[index], `dsa${index}`).registers;
  const command = BigInt(((COMMAND.drainAll << 20) | REQUEST_INTERRUPT) >>> 0);
  lab.hw.mmioWrite(base + COMMAND_REGISTER, 4, command);
  lab.kernel.core.advance(100_000);
}

describe('row 71: 8.5b, a write without PASID to the interrupt window', () => {
  function attack(isRemapping: boolean) {
    const lab = bootIdxd({ params: { modules: ['idxd'], interrupt_remapping: isRemapping } });
    const before = lab.rows('linux.interrupt.not-expected').length;
    const request = {
      pasid: -1,
      isPrivileged: false,
      isExecute: false,
      addressType: ADDRESS_TYPE.untranslated,
      high: 0,
      low: MSI_WINDOW,
      bytes: 4,
      trafficClass: 0,
    };
    lab.machine.fabric.portOf(lab.dev.rid).write(request, new Uint8Array([VECTOR, 0, 0, 0]), 0);
    lab.kernel.core.settle();
    const forged = lab.rows('linux.interrupt.not-expected').slice(before);
    const own = lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1);
    const count = own?.count ?? 0;
    interruptFrom(lab, 0);
    return {
      forged: forged.map((r) => r.values['vector']),
      reasons: reasons(lab),
      ownInterrupts: (own?.count ?? 0) - count,
    };
  }

  it('is a message in the compatibility format, which remapping blocks', () => {
    expect(attack(true)).toEqual({ forged: [], reasons: [0x25], ownInterrupts: 1 });
  });

  it('is any vector of the host without remapping', () => {
    expect(attack(false)).toEqual({ forged: [VECTOR], reasons: [], ownInterrupts: 1 });
  });
});

describe('row 71: 8.5c, a remappable interrupt with the handle of another function', () => {
  function attack(isDefended: boolean) {
    const lab = bootIdxd({
      devices: [dsaDevice({}, DSA_BDF), dsaDevice({}, '6b:01.0')],
      defences: { 'irte-source-check': isDefended },
    });
    const victim = defined(lab.kernel.irqs.desc(lab.dev.msix_irqs[0] ?? -1), 'Interrupt');
    const evil = defined(lab.kernel.idxd.devices[1], 'dsa1').registers.base;
    const { address } = remappableMessage(victim.handle);
    lab.hw.mmioWrite(evil + MSIX_TABLE, 4, BigInt(address));
    lab.hw.mmioWrite(evil + MSIX_TABLE + 8, 4, 0n);
    const before = victim.count;
    interruptFrom(lab, 1);
    const forged = victim.count - before;
    interruptFrom(lab, 0);
    return { forged, own: victim.count - before - forged, reasons: reasons(lab) };
  }

  it('is fault 26h, and its owner still uses it', () => {
    expect(attack(true)).toEqual({ forged: 0, own: 1, reasons: [0x26] });
  });

  it('runs the handler of the other function when the entry names no source', () => {
    expect(attack(false)).toEqual({ forged: 1, own: 1, reasons: [] });
  });
});

describe('row 71: 8.5e, an interrupt for every descriptor', () => {
  const DESCRIPTORS = 12;

  function attack(isDefended: boolean) {
    const lab = bootIdxdVms({
      wqs: [{ mode: 'dedicated', type: 'mdev' }],
      defences: { 'posted-interrupts': isDefended },
    });
    const device = bootGuest(plugVdev(lab, 'dsa-1dwq-v1', 1));
    enableGuestDevice(device);
    enableGuestQueue(device);
    const completions = listenToCompletions(device);
    const { guest, wq, vm } = device;
    const before = lab.rows('linux.interrupt.handled').length;
    const status: number[] = [];
    const exits = vm.exitsDuring(() => {
      for (let n = 0; n < DESCRIPTORS; n++) {
        const copy = prepareCopy(device, 'storm', { handle: completions.handle });
        guest.io.iosubmit_cmds512(wq.portal('unlimitedMsix'), copy.words);
        guest.core.advance(100_000);
        status.push(copy.status());
      }
    });
    const handled = lab.rows('linux.interrupt.handled').slice(before);
    return {
      onHost: handled.filter((r) => r.source === 'linux').length,
      inGuest: completions.count(),
      exits: Object.values(exits).reduce((sum, n) => sum + n, 0),
      status: [...new Set(status)],
    };
  }

  it('costs the host nothing while interrupts are posted: no handler, no exit', () => {
    expect(attack(true)).toEqual({
      onHost: 0,
      inGuest: DESCRIPTORS,
      exits: 0,
      status: [STATUS.success],
    });
  });

  it('runs a handler of the host for each of them without posting', () => {
    expect(attack(false)).toMatchObject({ onHost: DESCRIPTORS, inGuest: DESCRIPTORS });
  });
});
