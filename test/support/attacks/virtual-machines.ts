/** Two VMs with a dedicated queue each, whose guests drive it with the driver of the host: attacks that a guest does itself. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import {
  bootGuest,
  bootIdxdVms,
  enableGuestDevice,
  enableGuestQueue,
  plugVdev,
  prepareCopy,
  type IdxdGuest,
  type IdxdVmLab,
} from '../vm-idxd.ts';
import type { Switches } from './attack.ts';

const SPAN_NS = 1_000_000;
const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const TEXT = 'work';

export interface TwoVms {
  readonly lab: IdxdVmLab;
  readonly attacker: IdxdGuest;
  readonly victim: IdxdGuest;
}

export function twoVms(without: Switches): TwoVms {
  const lab = bootIdxdVms({
    wqs: [
      { mode: 'dedicated', type: 'mdev' },
      { mode: 'dedicated', type: 'mdev' },
    ],
    ...without,
  });
  const [attacker, victim] = [1, 2].map((n) => {
    const device = bootGuest(plugVdev(lab, 'dsa-1dwq-v1', n));
    enableGuestDevice(device);
    enableGuestQueue(device);
    return device;
  });
  return { lab, attacker: defined(attacker, 'Attacker'), victim: defined(victim, 'Victim') };
}

/** Address of a register of the VDEV as the guest has it. */
export function registerOf({ guest, dev }: IdxdGuest, offset: number): number {
  return guest.pci.pci_resource_start(dev, 0) + offset;
}

/** A command as the guest's driver gives it: two accesses. Its error code. */
export function commandOf(device: IdxdGuest, code: number, operand = 0): number {
  const { io } = device.guest;
  io.writel(((code << 20) | operand) >>> 0, registerOf(device, CMD));
  return io.readl(registerOf(device, CMDSTATUS)) & 0xff;
}

/** Through the portal, which is mapped. */
export function submitInVm({ guest, wq }: IdxdGuest, words: Uint32Array): void {
  guest.io.iosubmit_cmds512(wq.portal('unlimitedMsix'), words);
  guest.core.advance(SPAN_NS);
}

export function copiesInVm(device: IdxdGuest): boolean {
  const copy = prepareCopy(device, TEXT);
  submitInVm(device, copy.words);
  return copy.status() === STATUS.success && copy.result() === TEXT;
}
