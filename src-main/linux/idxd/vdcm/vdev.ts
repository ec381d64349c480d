/**
 * A virtual accelerator: one work queue of a real one, with configuration space, registers, interrupts and portals that the
 * VDCM composes around it. devices.md chapter 3, siov-stack.md chapter 3.
 */
import { bytesToHex } from '../../../bits/hex.ts';
import { COMMANDS } from '../../../spec/dsa/commands.ts';
import {
  type CMD,
  CMDSTATUS,
  DEVICE_STATE,
  HALT_RESET,
  SWERROR,
} from '../../../spec/dsa/general-registers.ts';
import { DEVICE_ERROR } from '../../../spec/dsa/status-codes.ts';
import { VDEV_COMMAND } from '../../../spec/events/linux.ts';
import type { PlainData } from '../../../sim/index.ts';
import type { Core } from '../../core/core.ts';
import type { Ioasids } from '../../iommu/ioasid.ts';
import type { IrqBypass } from '../../irq/irq-bypass.ts';
import type { Irqs } from '../../irq/irq.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import type { VfioDevice } from '../../vfio/vfio-device.ts';
import type { Vfio } from '../../vfio/vfio.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { runVirtualCommand, stopQueue, type CommandTarget } from './virtual-commands.ts';
import { VdevInterrupts } from './vdev-interrupts.ts';
import { VdevPasids } from './vdev-pasids.ts';
import { VdevPortal } from './vdev-portal.ts';
import { VirtualBar0 } from './virtual-bar0.ts';
import { VirtualConfig } from './virtual-config.ts';

export interface VdevParts {
  readonly core: Core;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly vfio: Vfio;
  readonly ioasids: Ioasids;
}

type SoftwareError = ReturnType<typeof SWERROR.decode>;

const STATE_NAMES: Readonly<Record<number, string>> = {
  [DEVICE_STATE.disabled]: 'disabled',
  [DEVICE_STATE.enabled]: 'enabled',
  [DEVICE_STATE.busy]: 'busy',
  [DEVICE_STATE.halted]: 'halted',
};
const CONFIG_SHOWN = 0x150;
const PASID_WIDTH = 20;

export class IdxdVdev implements CommandTarget {
  readonly uuid: string;
  readonly mdev: MdevDevice;
  readonly idxd: IdxdDevice;
  readonly wq: IdxdWq;
  readonly config: VirtualConfig;
  readonly bar0: VirtualBar0;
  readonly pasids: VdevPasids;
  readonly interrupts: VdevInterrupts;
  readonly portal: VdevPortal;
  /** Once VFIO knows it. */
  vfioDevice: VfioDevice | null = null;
  isOpen = false;
  /** Accesses that software answered. */
  accesses = 0;
  readonly #core: Core;
  #isBusy = false;

  constructor(parts: VdevParts, mdev: MdevDevice, idxd: IdxdDevice, wq: IdxdWq) {
    const { core, vfio, ioasids } = parts;
    this.#core = core;
    this.mdev = mdev;
    this.uuid = mdev.uuid;
    this.idxd = idxd;
    this.wq = wq;
    this.pasids = new VdevPasids({
      core,
      vfio,
      ioasids,
      name: `vdev ${mdev.uuid}`,
      device: () => this.vfioDevice,
      onFree: (pasid) => this.#pasidFreed(pasid),
    });
    this.config = new VirtualConfig({
      vendorId: idxd.dev.vendor,
      deviceId: idxd.dev.device,
      classCode: idxd.dev.class,
      pasid: this.#pasidCapability(),
      onBusMasterCleared: () => this.#busMasterCleared(),
      onFunctionReset: () => this.reset(true),
    });
    this.bar0 = new VirtualBar0(core, idxd, wq, {
      onCommand: (values) => this.#command(values),
      isDisabled: () => this.bar0.registers.state === DEVICE_STATE.disabled,
      onPermission: (entry) => this.interrupts.applyPermission(entry),
      onMask: (entry, isMasked) => this.interrupts.setMasked(entry, isMasked),
      isPending: (entry) => this.interrupts.isPending(entry),
    });
    this.interrupts = new VdevInterrupts({
      core,
      irqs: parts.irqs,
      bypass: parts.bypass,
      idxd,
      pasids: this.pasids,
      name: mdev.uuid,
      permission: (entry) => this.bar0.permission(entry),
      isMasked: (entry) => this.bar0.isMasked(entry),
      onInstalled: (entry) => this.bar0.unmask(entry),
    });
    this.portal = new VdevPortal({ core, idxd, wq, pasids: this.pasids, name: mdev.uuid });
  }

  get state(): string {
    return STATE_NAMES[this.bar0.registers.state] ?? 'unknown';
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  /** Last close: interrupts back, queue out of the guest's hands, everything as at creation. */
  close(): void {
    if (this.#core.defends('drain-before-free')) {
      this.#stop('abort');
    }
    this.interrupts.request.disable();
    this.interrupts.disable();
    if (this.#core.defends('reset-on-close')) {
      this.bar0.reset(true);
      this.config.reset();
      this.portal.reset();
    }
    this.pasids.close();
    this.isOpen = false;
    this.publish();
  }

  /** The address space behind the default PASID is about to go. */
  willDetach(): void {
    if (this.#core.defends('drain-before-free')) {
      this.#stop('drain');
    }
    this.interrupts.silence();
  }

  didAttach(): void {
    this.interrupts.restore();
    this.publish();
  }

  /** Guest PASIDs are about to go: nothing of them may be in the device when this returns. */
  willDetachPasid(guest: number): void {
    const host = this.pasids.translate(guest);
    if (host >= 0 && this.#core.defends('drain-before-free')) {
      this.#pasidFreed(host);
    }
  }

  /** `isFull`: function level reset, or the VMM's request; otherwise the guest's Reset Device command. */
  reset(isFull: boolean): void {
    const before = this.state;
    this.interrupts.silence();
    this.#stop('abort');
    this.bar0.reset(isFull);
    this.portal.reset();
    if (isFull) {
      this.config.reset();
    }
    this.interrupts.restore();
    this.#changed(before);
  }

  // ---- errors --------------------------------------------------------------------------------------------------------

  /** The first error is kept; a later one only sets Overflow. Vector 0 when the guest enabled it. */
  reportError(error: Partial<SoftwareError>): void {
    const { file } = this.bar0.registers;
    if (file.get('SWERROR', 'valid') === 1) {
      file.set('SWERROR', 'overflow', 1);
      this.publish();
      return;
    }
    const words = SWERROR.encode({ ...error, valid: 1, overflow: 0 });
    words.forEach((word, i) => file.poke32(SWERROR.offset + i * 4, word));
    if (file.get('GENCTRL', 'softwareErrorInterrupt') === 1) {
      file.set('INTCAUSE', 'softwareError', 1);
      this.interrupts.raiseFirst('software error');
    }
    this.publish();
  }

  /** An error of the physical queue. On a shared one nothing of another guest's descriptor is told. */
  relayError(error: SoftwareError): void {
    const guest = this.pasids.guestOf(error.pasid);
    const isOwn = this.wq.isDedicated || guest >= 0;
    this.reportError(
      isOwn
        ? { ...error, wq: 0, wqHigh: 0, pasid: Math.max(0, guest) }
        : { code: error.code, wqValid: 1, wq: 0 },
    );
  }

  publish(): void {
    const { values, isEnabled } = this.bar0.wq;
    this.#core.publish(`vdev/${this.uuid}`, {
      device: this.idxd.name,
      wq: this.wq.name,
      mode: this.wq.config.mode,
      isOpen: this.isOpen,
      state: this.state,
      defaultPasid: this.pasids.default,
      pasids: [...this.pasids.all],
      queue: {
        isEnabled,
        pasidEnable: values.pasidEnable === 1,
        pasid: values.pasid,
        hardwarePasid: this.wq.pasid?.pasid ?? null,
      },
      vectors: this.interrupts.installed.map((entry) => ({
        entry,
        handle: entry === 0 ? null : this.interrupts.handleOf(entry),
        isMasked: this.bar0.isMasked(entry),
      })),
      accesses: this.accesses,
      stagedSlots: this.portal.stagedSlots,
      config: bytesToHex(this.config.bytes(CONFIG_SHOWN)),
      bar0: bytesToHex(this.bar0.bytes()),
    } satisfies PlainData);
  }

  unpublish(): void {
    this.#core.publish(`vdev/${this.uuid}`, undefined);
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  /** A command is handled while the guest waits, so a second one can only come from another of its CPUs. */
  #command({ code, operand, interrupt }: ReturnType<typeof CMD.decode>): void {
    if (this.#isBusy) {
      this.reportError({ code: DEVICE_ERROR.commandWhileActive });
      return;
    }
    const before = this.state;
    const { file } = this.bar0.registers;
    this.#isBusy = true;
    file.poke32(CMDSTATUS.offset, 0);
    file.set('CMDSTATUS', 'active', 1);
    const { error, result = 0 } = runVirtualCommand(this, code, operand);
    file.poke32(CMDSTATUS.offset, 0);
    file.set('CMDSTATUS', 'error', error);
    file.set('CMDSTATUS', 'result', result);
    this.#isBusy = false;
    const title = COMMANDS.find((c) => c.code === code)?.title ?? `command ${code}`;
    this.#core.emit(VDEV_COMMAND, this.uuid, title, operand, error, result);
    if (interrupt === 1) {
      file.set('INTCAUSE', 'command', 1);
      this.interrupts.raiseFirst('command complete');
    }
    this.#changed(before);
  }

  /** Software error 51h: an illegal change of configuration space halts the device until a function level reset. */
  #busMasterCleared(): void {
    const { registers } = this.bar0;
    if (registers.state !== DEVICE_STATE.enabled) {
      return;
    }
    const before = this.state;
    this.#stop('abort');
    registers.state = DEVICE_STATE.halted;
    registers.file.set('GENSTS', 'resetType', HALT_RESET.functionLevel);
    this.reportError({ code: DEVICE_ERROR.configurationChange });
    if (registers.file.get('GENCTRL', 'haltInterrupt') === 1) {
      registers.file.set('INTCAUSE', 'halt', 1);
      this.interrupts.raiseFirst('halt');
    }
    this.#changed(before);
  }

  #pasidFreed(pasid: number): void {
    if (this.wq.isDedicated && this.wq.pasid?.pasid === pasid) {
      this.#stop('drain');
    } else if (!this.wq.isDedicated) {
      this.idxd.drainPasid(pasid);
    }
    this.publish();
  }

  #stop(way: 'drain' | 'abort'): void {
    const isRunning = this.bar0.wq.isEnabled || (this.wq.isDedicated && this.wq.isEnabled);
    if (isRunning) {
      stopQueue(this, this.wq.isDedicated ? way : 'drain');
    }
  }

  #changed(before: string): void {
    this.#core.stateChanged(`vdev ${this.uuid}`, before, this.state);
    this.publish();
  }

  #pasidCapability(): { readonly width: number; readonly hasPrivileged: boolean } {
    const { dev } = this.idxd;
    const { value } = dev.pasid;
    return {
      width: PASID_WIDTH,
      hasPrivileged: (value & PCI_REGS.PCI_PASID_CAP_PRIV) !== 0,
    };
  }
}
