/**
 * One work queue as the idxd driver holds it: its configuration, its state, who uses it. A queue is what Scalable IOV
 * assigns: dedicated to one client, or shared by many that the PASID in each descriptor tells apart.
 */
import { COMMAND, type CommandCode } from '../../spec/dsa/commands.ts';
import { PORTAL_PAGE } from '../../spec/dsa/portals.ts';
import { WQ_MODE, WQ_STATE, WqConfig } from '../../spec/dsa/wq-config.ts';
import { EBUSY, ENXIO } from '../errno.ts';
import type { Core } from '../core/core.ts';
import type { DeviceRegisters } from '../pci/device-registers.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import type { IdxdCapabilities } from './registers.ts';
import { SCMD } from './software-status.ts';

export type WqType = 'none' | 'kernel' | 'user' | 'mdev';
export type WqMode = 'shared' | 'dedicated';

/** What administrators set by sysfs. */
export interface WqSettings {
  size: number;
  group_id: number;
  mode: WqMode;
  threshold: number;
  priority: number;
  type: WqType;
  name: string;
  driver_name: string;
  max_transfer_shift: number;
  max_batch_shift: number;
  block_on_fault: boolean;
  ats_disable: boolean;
  prs_disable: boolean;
  op_config: bigint;
  enqcmds_retries: number;
}

/** PASID that a dedicated queue stamps on its requests. */
export interface WqPasid {
  readonly pasid: number;
  readonly priv: boolean;
}

/** The device behind a queue, as far as the queue needs it. */
export interface WqOwner {
  readonly core: Core;
  readonly name: string;
  readonly dev: PciDev;
  readonly registers: DeviceRegisters;
  readonly capabilities: IdxdCapabilities;
  readonly state: 'disabled' | 'enabled' | 'halted';
  readonly isPasidEnabled: boolean;
  cmd_status: number;
  command(code: CommandCode, operand?: number, indexHigh?: number): { readonly error: number };
  wqBitmap(wq: number): { readonly operand: number; readonly indexHigh: number };
  portalAddress(wq: number, page: number): number;
  publish(): void;
}

const DEFAULT_RETRIES = 64;
const MODE_WORD = 2;

export class IdxdWq {
  readonly idxd: WqOwner;
  readonly id: number;
  readonly name: string;
  readonly config: WqSettings;
  /** A driver of the dsa bus has it: the administrator enabled it. */
  isBound = false;
  /** State of the hardware queue. */
  isEnabled = false;
  /** Files, VDEVs and in-kernel users. */
  clients = 0;
  /** Dedicated queues with PASIDs; null: without. */
  pasid: WqPasid | null = null;
  /** The VDCM composed a device on it: the host leaves it alone. */
  isLocked = false;
  /** Mode and PASID are somebody else's to set: a virtual queue that guests share. */
  isModeFixed = false;

  constructor(idxd: WqOwner, id: number) {
    this.idxd = idxd;
    this.id = id;
    this.name = `wq${idxd.name.replace('dsa', '')}.${id}`;
    const { gencap, opcap } = idxd.capabilities;
    this.config = {
      size: 0,
      group_id: -1,
      mode: 'shared',
      threshold: 0,
      priority: 1,
      type: 'none',
      name: '',
      driver_name: '',
      max_transfer_shift: Math.min(21, gencap.maxTransferShift),
      max_batch_shift: Math.min(5, gencap.maxBatchShift),
      block_on_fault: false,
      ats_disable: false,
      prs_disable: false,
      op_config: opcap,
      enqcmds_retries: DEFAULT_RETRIES,
    };
  }

  get isDedicated(): boolean {
    return this.config.mode === 'dedicated';
  }

  /** What sysfs shows. */
  get state(): 'disabled' | 'enabled' | 'locked' {
    if (this.isLocked) {
      return 'locked';
    }
    return this.isBound ? 'enabled' : 'disabled';
  }

  join(group: number): void {
    this.config.group_id = group;
  }

  /** Takes over what the device says, where somebody else configured it. */
  load(): void {
    const entry = this.read();
    this.config.size = entry.size;
    this.config.threshold = entry.threshold;
    this.config.mode = entry.mode === WQ_MODE.dedicated ? 'dedicated' : 'shared';
    this.config.priority = entry.priority;
    this.config.max_transfer_shift = entry.maxTransferShift;
    this.config.max_batch_shift = entry.maxBatchShift;
    this.config.block_on_fault = entry.blockOnFault === 1;
    this.isModeFixed = entry.modeSupport === 0;
  }

  isIn(group: number): boolean {
    return this.config.size > 0 && this.config.group_id === group;
  }

  /** Entry as the device holds it. */
  read(): ReturnType<typeof WqConfig.decode> {
    return this.idxd.registers.entry(WqConfig, this.#at, this.idxd.capabilities.wqConfigBytes);
  }

  writeConfiguration(): void {
    const { config, idxd } = this;
    const { gencap } = idxd.capabilities;
    const isLimited = idxd.core.defends('queue-limits');
    const words = WqConfig.encode({
      size: config.size,
      threshold: config.threshold,
      mode: this.isDedicated ? WQ_MODE.dedicated : WQ_MODE.shared,
      blockOnFault: Number(config.block_on_fault),
      atsDisable: Number(config.ats_disable),
      prsDisable: Number(config.prs_disable),
      priority: config.priority,
      pasid: this.pasid?.pasid ?? 0,
      pasidEnable: Number(this.#usesPasid),
      priv: Number(this.pasid?.priv === true),
      maxTransferShift: isLimited ? config.max_transfer_shift : gencap.maxTransferShift,
      maxBatchShift: isLimited ? config.max_batch_shift : gencap.maxBatchShift,
      operations: config.op_config,
    });
    const count = this.idxd.capabilities.wqConfigBytes / 4;
    this.idxd.registers.writeWords(this.#at, words.subarray(0, count));
  }

  /** idxd_drv_enable_wq: what must be set, then the command. The code of a refusal is in `cmd_status`. */
  bind(): number {
    const problem = this.#problem();
    if (problem !== 0) {
      this.idxd.cmd_status = problem;
      this.idxd.publish();
      return problem === SCMD.WQ_ENABLED ? -EBUSY : -ENXIO;
    }
    const result = this.enableHardware();
    this.isBound = result === 0;
    this.publish();
    return result;
  }

  /** idxd_drv_disable_wq: finishes what is queued. */
  unbind(): void {
    this.disable();
    this.isBound = false;
    this.pasid = null;
    this.publish();
  }

  /** The command alone, with mode and PASID as they are set now. */
  enableHardware(): number {
    this.writeConfiguration();
    const { error } = this.idxd.command(COMMAND.enableWq, this.id & 0xff, this.id >>> 8);
    if (error !== 0) {
      return -ENXIO;
    }
    this.#setEnabled(true);
    return 0;
  }

  /** Stops taking work, finishes what is queued. */
  disable(): number {
    if (!this.isEnabled) {
      return 0;
    }
    const result = this.#bitmapCommand(COMMAND.disableWq);
    this.#setEnabled(false);
    return result;
  }

  /** Waits until everything that was queued is finished. */
  drain(): number {
    return this.#bitmapCommand(COMMAND.drainWq);
  }

  /** Drops what is not started. */
  abort(): number {
    return this.#bitmapCommand(COMMAND.abortWq);
  }

  /** Disables the queue and puts its configuration but for the size to reset values. */
  reset(): number {
    const result = this.#bitmapCommand(COMMAND.resetWq);
    this.#setEnabled(false);
    return result;
  }

  /** Sets the PASID of a dedicated queue; it must be disabled. */
  setPasid(pasid: WqPasid | null): void {
    this.pasid = pasid;
    const at = this.#at + MODE_WORD * 4;
    const words = new Uint32Array(WqConfig.words);
    words.set(this.idxd.registers.words(at, 1), MODE_WORD);
    WqConfig.set(words, 'pasid', pasid?.pasid ?? 0);
    WqConfig.set(words, 'pasidEnable', Number(this.#usesPasid));
    WqConfig.set(words, 'priv', Number(pasid?.priv === true));
    this.idxd.registers.writeWord(at, words[MODE_WORD] ?? 0);
    this.publish();
  }

  /** Physical address of one of the queue's portal pages. */
  portal(page: keyof typeof PORTAL_PAGE): number {
    return this.idxd.portalAddress(this.id, PORTAL_PAGE[page]);
  }

  addClient(): void {
    this.clients += 1;
    this.publish();
  }

  removeClient(): void {
    this.clients -= 1;
    this.publish();
  }

  /** The whole device was disabled or reset. */
  noteDisabled(): void {
    this.isBound = false;
    this.#setEnabled(false);
  }

  publish(): void {
    const { config, idxd } = this;
    idxd.core.publish(`idxd/${idxd.dev.name}/wq${this.id}`, {
      name: config.name,
      type: config.type,
      mode: config.mode,
      size: config.size,
      group: config.group_id,
      threshold: config.threshold,
      priority: config.priority,
      state: this.state,
      isEnabled: this.isEnabled,
      clients: this.clients,
      pasid: this.pasid?.pasid ?? null,
      isLocked: this.isLocked,
    });
    idxd.dev.sysfs.touch(`${idxd.dev.path}/${idxd.name}/${this.name}`);
  }

  get #at(): number {
    const { tables, wqConfigBytes } = this.idxd.capabilities;
    return tables.wqConfig + this.id * wqConfigBytes;
  }

  /** Shared queues always, dedicated ones when a PASID is set. */
  get #usesPasid(): boolean {
    return this.isDedicated ? this.pasid !== null : this.idxd.isPasidEnabled;
  }

  #problem(): number {
    const { config, idxd } = this;
    if (idxd.state !== 'enabled') {
      return SCMD.DEV_NOT_ENABLED;
    }
    if (this.isBound) {
      return SCMD.WQ_ENABLED;
    }
    if (config.group_id < 0) {
      return SCMD.WQ_NO_GRP;
    }
    if (config.name === '') {
      return SCMD.WQ_NO_NAME;
    }
    if (config.size === 0) {
      return SCMD.WQ_NO_SIZE;
    }
    if (!this.isDedicated && !idxd.isPasidEnabled) {
      return SCMD.WQ_NO_SVM;
    }
    return !this.isDedicated && config.threshold === 0 ? SCMD.WQ_NO_THRESH : 0;
  }

  #bitmapCommand(code: 7 | 8 | 9 | 10): number {
    const { operand, indexHigh } = this.idxd.wqBitmap(this.id);
    return this.idxd.command(code, operand, indexHigh).error === 0 ? 0 : -ENXIO;
  }

  #setEnabled(isEnabled: boolean): void {
    if (this.isEnabled !== isEnabled) {
      this.idxd.core.stateChanged(
        this.name,
        this.isEnabled ? 'enabled' : 'disabled',
        isEnabled ? 'enabled' : 'disabled',
      );
    }
    this.isEnabled = isEnabled;
    this.publish();
  }

  /** State that the device itself reports. */
  get hardwareState(): 'disabled' | 'enabled' | 'busy' {
    const { state } = this.read();
    return state === WQ_STATE.enabled ? 'enabled' : state === WQ_STATE.busy ? 'busy' : 'disabled';
  }
}
