/**
 * A virtual accelerator: one work queue of a real one, with configuration space, registers, interrupts and portals that the
 * VDCM composes around it. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
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
import type { Core } from '../../core/core.ts';
import type { Ioasids } from '../../iommu/ioasid.ts';
import type { IrqBypass } from '../../irq/irq-bypass.ts';
import type { Irqs } from '../../irq/irq.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import type { IrqSetRequest } from '../../vfio/irq-set.ts';
import { Migration } from '../../vfio/migration.ts';
import type { Vfio } from '../../vfio/vfio.ts';
import { VFIO_FLAGS as F } from '../../../spec/vfio/ioctl-numbers.ts';
import { VdevInterrupts } from '../../vdcm/vdev-interrupts.ts';
import { VdevPasids } from '../../vdcm/vdev-pasids.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import { VirtualConfig } from '../../vdcm/virtual-config.ts';
import { VirtualDevice, type VdevDescription, type VdevRegion } from '../../vdcm/virtual-device.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { enableQueue, runVirtualCommand, stopQueue } from './virtual-commands.ts';
import { VDEV } from './places.ts';
import { vdevConfigSpace } from './vdev-config-space.ts';
import { VdevMigration, type MigrationTarget } from './vdev-migration.ts';
import { VdevPortal } from './vdev-portal.ts';
import { VirtualBar0 } from './virtual-bar0.ts';

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
const BAR = { registers: 0, portals: 2 } as const;
/** What VFIO_DEVICE_SET_IRQS says when a user is done with all vectors. */
const DISABLE_MSIX: IrqSetRequest = {
  index: F.VFIO_PCI_MSIX_IRQ_INDEX,
  start: 0,
  count: 0,
  flags: F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_TRIGGER,
  which: [],
  eventfds: [],
};
const RW = F.VFIO_REGION_INFO_FLAG_READ | F.VFIO_REGION_INFO_FLAG_WRITE;

/** Every VDEV of an accelerator has the same layout. */
const CONFIG_SPACES = new WeakMap<IdxdDevice, RegisterBlock>();

function vdevConfigOf(idxd: IdxdDevice): RegisterBlock {
  const known = CONFIG_SPACES.get(idxd) ?? vdevConfigSpace(idxd.dev);
  CONFIG_SPACES.set(idxd, known);
  return known;
}

export class IdxdVdev extends VirtualDevice implements MigrationTarget {
  readonly idxd: IdxdDevice;
  readonly wq: IdxdWq;
  readonly config: VirtualConfig;
  readonly bar0: VirtualBar0;
  readonly pasids: VdevPasids;
  readonly interrupts: VdevInterrupts;
  readonly portal: VdevPortal;
  readonly regions: ReadonlyMap<number, VdevRegion>;
  /** State of the guest's side of the device, for another host. */
  readonly image: VdevMigration;
  readonly #migration: Migration;
  readonly #hooks: VdcmHooks<IdxdVdev>;
  #isBusy = false;

  constructor(
    parts: VdevParts,
    hooks: VdcmHooks<IdxdVdev>,
    mdev: MdevDevice,
    idxd: IdxdDevice,
    wq: IdxdWq,
  ) {
    const { core, vfio, ioasids } = parts;
    super(core, mdev);
    this.#hooks = hooks;
    this.idxd = idxd;
    this.wq = wq;
    this.pasids = new VdevPasids({
      core,
      vfio,
      ioasids,
      name: `vdev ${mdev.uuid}`,
      device: () => this.vfioDevice,
      onFree: (pasid) => this.#pasidFreed(pasid, this.pasids.guestOf(pasid)),
    });
    this.config = new VirtualConfig(vdevConfigOf(idxd), {
      onBusMasterCleared: () => this.reportConfigurationChange(),
      onFunctionReset: () => this.startReset(true),
    });
    this.bar0 = new VirtualBar0(core, idxd, wq, {
      onCommand: (values) => this.#command(values),
      isDisabled: () => this.bar0.registers.state === DEVICE_STATE.disabled,
      onPermission: (entry) => this.interrupts.applyPermission(entry),
      onMask: (entry, isMasked) => this.interrupts.setMasked(entry, isMasked),
      isPending: (entry) => this.interrupts.isPending(entry),
    });
    this.interrupts = new VdevInterrupts({
      irqs: parts.irqs,
      bypass: parts.bypass,
      pasids: this.pasids,
      name: mdev.uuid,
      vectors: VDEV.vectors,
      ims: idxd.ims,
      didAcquire: (_vector, index) => idxd.requestInterruptHandle(index, 'ims'),
      willRelease: (_vector, index) => idxd.releaseInterruptHandle(index, 'ims'),
      permission: (entry) => this.bar0.permission(entry),
      isMasked: (entry) => this.bar0.msix.isMasked(entry),
      onInstalled: (entry) => this.bar0.msix.unmask(entry),
    });
    this.portal = new VdevPortal({
      core,
      idxd,
      wq,
      pasids: this.pasids,
      name: mdev.uuid,
      user: () => this.vfioDevice?.user?.mm.name,
      isUntranslated: () => isUntranslatedVm(this.vfioDevice?.kvm ?? null),
      onSubmit: (words) => this.#hooks.run('submit', this, words),
    });
    this.regions = this.#makeRegions();
    this.image = new VdevMigration(this);
    this.#migration = new Migration(core, this.image);
  }

  override get migration(): Migration {
    return this.#migration;
  }

  override submit(words: Uint32Array): number {
    return this.portal.submit(words);
  }

  get typeName(): string {
    return this.mdev.type.name;
  }

  get state(): string {
    return STATE_NAMES[this.bar0.registers.state] ?? 'unknown';
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  close(): void {
    if (this.core.defends('drain-before-free')) {
      this.#stop('abort');
    }
    this.interrupts.request.disable();
    this.#hooks.run('set_irqs', this, DISABLE_MSIX);
    this.interrupts.disable();
    if (this.core.defends('reset-on-close')) {
      this.bar0.reset(true);
      this.config.reset();
      this.portal.reset();
    }
    this.#migration.reset();
    this.pasids.close();
    this.isOpen = false;
    this.publish();
  }

  willDetach(): void {
    if (this.core.defends('drain-before-free')) {
      this.#stop('drain');
    }
    this.interrupts.silence();
  }

  didAttach(): void {
    this.interrupts.restore();
    this.publish();
  }

  willDetachPasid(guest: number): void {
    const host = this.pasids.translate(guest);
    if (host >= 0 && this.core.defends('drain-before-free')) {
      this.#pasidFreed(host, guest);
    }
  }

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

  startReset(isFull: boolean): void {
    this.#hooks.run('reset', this, isFull);
  }

  startQueue(): number {
    return this.#hooks.run('wq_enable', this);
  }

  enableQueue(): number {
    return enableQueue(this);
  }

  isMasked(vector: number): boolean {
    return this.bar0.msix.isMasked(vector);
  }

  /** As configuration space says, whoever plays it. */
  get isBusMaster(): boolean {
    const command = this.#hooks.run('cfg_read', this, PCI_REGS.PCI_COMMAND, 2);
    return (Number(command) & PCI_REGS.PCI_COMMAND_MASTER) !== 0;
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

  /**
   * Software error 51h: bus mastering went away while the device is enabled. It halts until a function level reset. In any
   * other state nothing happens.
   */
  reportConfigurationChange(): void {
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

  protected describe(): VdevDescription {
    const { values, isEnabled } = this.bar0.wq;
    return {
      device: this.idxd.name,
      wq: this.wq.name,
      mode: this.wq.config.mode,
      state: this.state,
      queue: {
        isEnabled,
        pasidEnable: values.pasidEnable === 1,
        pasid: values.pasid,
        hardwarePasid: this.wq.pasid?.pasid ?? null,
      },
      stagedSlots: this.portal.stagedSlots,
      bar0: this.bar0.bytes(),
    };
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
    this.core.emit(VDEV_COMMAND, this.uuid, title, operand, error, result);
    if (interrupt === 1) {
      file.set('INTCAUSE', 'command', 1);
      this.interrupts.raiseFirst('command complete');
    }
    this.#changed(before);
  }

  /** What waits for the next owner of the guest's number must not reach it. */
  #pasidFreed(pasid: number, guest: number): void {
    if (this.wq.isDedicated && this.wq.pasid?.pasid === pasid) {
      this.portal.settle('abort');
      this.#stop('drain');
    } else if (!this.wq.isDedicated) {
      this.portal.settle('abort', guest);
      this.idxd.drainPasid(pasid);
    }
    this.publish();
  }

  /** A mapped portal of a shared queue takes descriptors whatever the virtual queue says, so its PASIDs are drained always. */
  #stop(way: 'drain' | 'abort'): void {
    if (this.bar0.wq.isEnabled || this.wq.isEnabled) {
      stopQueue(this, this.wq.isDedicated ? way : 'drain');
    }
  }

  #changed(before: string): void {
    this.core.stateChanged(`vdev ${this.uuid}`, before, this.state);
    this.publish();
  }

  #makeRegions(): ReadonlyMap<number, VdevRegion> {
    return new Map<number, VdevRegion>([
      [
        BAR.registers,
        {
          kind: 'registers',
          name: 'BAR0',
          spec: { size: VDEV.bar0Bytes, flags: RW },
          largestRead: 8,
          read: (offset, bytes) => this.bar0.read(offset, bytes),
          write: (offset, bytes, value) => this.bar0.write(offset, bytes, value),
        },
      ],
      [
        BAR.portals,
        {
          kind: 'portals',
          name: 'BAR2',
          spec: {
            size: VDEV.bar2Bytes,
            flags: RW | F.VFIO_REGION_INFO_FLAG_MMAP,
            mmapAreas: this.portal.areas,
          },
          write: (offset, bytes) => this.portal.write(offset, bytes),
          mmap: (area, offset) => this.portal.mmap(area, offset),
        },
      ],
    ]);
  }
}

/** A VM that KVM runs without PASID translation: the contract between VFIO and KVM keeps shared portals from it. */
function isUntranslatedVm(kvm: object | null): boolean {
  return kvm !== null && 'hasPasidTranslation' in kvm && kvm.hasPasidTranslation === false;
}
