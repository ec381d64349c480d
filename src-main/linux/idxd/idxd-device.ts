/**
 * One accelerator as the idxd driver holds it (drivers/dma/idxd): registers, the configuration that administrators give by
 * sysfs and that is written to the device when it is enabled, commands.
 */
import { toHex } from '../../bits/hex.ts';
import {
  COMMAND,
  COMMAND_ERROR,
  COMMAND_ERROR_NAMES,
  COMMANDS,
  type CommandCode,
} from '../../spec/dsa/commands.ts';
import {
  CMD,
  CMDSTATUS,
  DEVICE_STATE,
  GENCFG,
  GENCTRL,
  GENSTS,
  INTCAUSE,
  SWERROR,
} from '../../spec/dsa/general-registers.ts';
import { GroupConfig } from '../../spec/dsa/group-config.ts';
import { MsixPermission } from '../../spec/dsa/interrupt-entries.ts';
import { PORTAL_SHIFT, WQ_PORTALS_SHIFT } from '../../spec/dsa/portals.ts';
import { IDXD_COMMAND } from '../../spec/events/linux.ts';
import type { Core } from '../core/core.ts';
import { EBUSY, EINVAL, ENXIO, ETIMEDOUT } from '../errno.ts';
import type { DeviceRegisters } from '../pci/device-registers.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import type { ImsDomain } from '../irq/ims.ts';
import { readCapabilities, type IdxdCapabilities } from './registers.ts';
import { SCMD } from './software-status.ts';
import { IdxdWq, type WqOwner } from './wq.ts';

export type IdxdState = 'disabled' | 'enabled' | 'halted';

export interface IdxdGroup {
  readonly id: number;
  readonly name: string;
  read_buffers_allowed: number;
  read_buffers_reserved: number;
  use_read_buffer_limit: boolean;
  traffic_class_a: number;
  traffic_class_b: number;
}

export interface IdxdEngine {
  readonly id: number;
  readonly name: string;
  group_id: number;
}

export interface CommandResult {
  /** 0 or a code of COMMAND_ERROR. */
  readonly error: number;
  readonly result: number;
}

type SoftwareError = ReturnType<typeof SWERROR.decode>;

export class IdxdDevice implements WqOwner {
  readonly name: string;
  readonly core: Core;
  readonly dev: PciDev;
  readonly registers: DeviceRegisters;
  readonly capabilities: IdxdCapabilities;
  readonly wqs: readonly IdxdWq[];
  readonly groups: readonly IdxdGroup[];
  readonly engines: readonly IdxdEngine[];
  /** Physical address of BAR2. */
  readonly portals: number;
  state: IdxdState = 'disabled';
  /** Last command error, or a software code. */
  cmd_status = 0;
  /** SWERROR as the last interrupt found it; the register itself is cleared for the next error. */
  sw_err: Uint32Array = new Uint32Array(SWERROR_WORDS);
  ims: ImsDomain | null = null;
  /** PASID for descriptors of the kernel itself, -1 without. */
  systemPasid = -1;
  /** Module parameter: without it queues work without PASIDs, and shared ones not at all. */
  readonly #usesSva: boolean;
  /** The command that the device works on. */
  #current: { result: CommandResult | null } | null = null;
  read_buffer_limit: number;
  /** Descriptors of programs may ask for interrupts (user_int_en); written with the configuration. */
  hasUserInterrupts = false;
  /** Whoever wants to hear of software errors. */
  readonly onError = new Set<(error: SoftwareError) => void>();
  /** Interrupt handles that were given out are void (idxd_int_handle_revoke). */
  readonly onHandlesRevoked = new Set<() => void>();

  constructor(options: {
    readonly core: Core;
    readonly dev: PciDev;
    readonly registers: DeviceRegisters;
    readonly portals: number;
    readonly index: number;
  }) {
    this.core = options.core;
    this.#usesSva = options.core.params.idxd_sva;
    this.dev = options.dev;
    this.registers = options.registers;
    this.portals = options.portals;
    this.name = `dsa${options.index}`;
    this.capabilities = readCapabilities(options.registers);
    const { wqs, grpcap, engcap } = this.capabilities;
    this.read_buffer_limit = grpcap.readBuffers;
    this.wqs = Array.from({ length: wqs }, (_, id) => new IdxdWq(this, id));
    this.groups = Array.from({ length: grpcap.count }, (_, id) => ({
      id,
      name: `group${options.index}.${id}`,
      read_buffers_allowed: grpcap.readBuffers,
      read_buffers_reserved: 0,
      use_read_buffer_limit: false,
      traffic_class_a: 1,
      traffic_class_b: 1,
    }));
    this.engines = Array.from({ length: engcap.count }, (_, id) => ({
      id,
      name: `engine${options.index}.${id}`,
      group_id: -1,
    }));
    if (this.capabilities.gencap.configuration === 0) {
      this.#loadConfiguration();
    }
  }

  /** First-generation silicon, whose portals are not safe for untrusted users (INTEL-SA-01084). */
  get isFirstGeneration(): boolean {
    return this.capabilities.version.major === 1;
  }

  get isPasidEnabled(): boolean {
    return this.#usesSva && this.dev.pasid.isEnabled;
  }

  /** Entries of WQ storage that are given away. */
  get claimedSize(): number {
    return this.wqs.reduce((sum, wq) => sum + wq.config.size, 0);
  }

  // ---- commands ------------------------------------------------------------------------------------------------------

  /**
   * Writes the command register and sleeps until the device is done; interrupts are handled meanwhile. A handler that
   * gives a command of its own waits for this one first.
   */
  command(code: CommandCode, operand = 0, indexHigh = 0): CommandResult {
    const title = COMMANDS.find((c) => c.code === code)?.title ?? `command ${code}`;
    const seq = this.core.emit(IDXD_COMMAND, this.name, title, operand);
    return this.core.hw.within(seq, () => {
      this.#finishCurrent();
      const own: { result: CommandResult | null } = { result: null };
      this.#current = own;
      this.registers.write(CMD, { operand, code, indexHigh });
      this.core.waitFor(() => own.result !== null || this.#isIdle, this.#timeoutNs);
      const result = own.result ?? this.#readResult();
      if (this.#current === own) {
        this.#current = null;
      }
      this.#report(title, result.error);
      return result;
    });
  }

  /** Operand of the commands that name queues by bitmap. */
  wqBitmap(wq: number): { readonly operand: number; readonly indexHigh: number } {
    const high = (wq >>> 4) & 0xf;
    return { operand: (1 << (wq & 0xf)) | (high << 16), indexHigh: wq >>> 8 };
  }

  // ---- device --------------------------------------------------------------------------------------------------------

  /** idxd_device_enable: configuration to the device, then the command. */
  enable(): number {
    if (this.state === 'enabled') {
      this.cmd_status = SCMD.DEV_ENABLED;
      return -ENXIO;
    }
    const hasQueue = this.wqs.some((wq) => wq.config.size > 0 && wq.config.group_id >= 0);
    if (!hasQueue) {
      this.cmd_status = SCMD.WQ_NONE_CONFIGURED;
      return -EINVAL;
    }
    this.#writeConfiguration();
    const { error } = this.command(COMMAND.enableDevice);
    if (error !== 0) {
      return -ENXIO;
    }
    this.setState('enabled');
    return 0;
  }

  /** idxd_device_disable: finishes everything, disables the queues, forgets their configuration in hardware. */
  disable(): number {
    if (this.state !== 'enabled') {
      this.cmd_status = SCMD.DEV_NOT_ENABLED;
      return -ENXIO;
    }
    if (this.wqs.some((wq) => wq.clients > 0)) {
      return -EBUSY;
    }
    const { error } = this.command(COMMAND.disableDevice);
    if (error !== 0) {
      return error === COMMAND_ERROR.hardware ? -ETIMEDOUT : -ENXIO;
    }
    this.wqs.forEach((wq) => wq.noteDisabled());
    this.setState('disabled');
    return 0;
  }

  /** idxd_device_reset at probe and after a halt. */
  reset(): void {
    this.command(COMMAND.resetDevice);
    this.wqs.forEach((wq) => wq.noteDisabled());
    this.setState('disabled');
  }

  drainPasid(pasid: number): number {
    return this.command(COMMAND.drainPasid, pasid).error === 0 ? 0 : -ENXIO;
  }

  abortPasid(pasid: number): number {
    return this.command(COMMAND.abortPasid, pasid).error === 0 ? 0 : -ENXIO;
  }

  /** Handle for descriptors that ask for an interrupt, or a negative error number. */
  requestInterruptHandle(index: number, table: 'msix' | 'ims'): number {
    if (!this.hasCommand(COMMAND.requestInterruptHandle)) {
      return index;
    }
    const operand = index | (table === 'ims' ? IMS_TABLE : 0);
    const { error, result } = this.command(COMMAND.requestInterruptHandle, operand);
    return error === 0 ? result : -ENXIO;
  }

  releaseInterruptHandle(index: number, table: 'msix' | 'ims'): void {
    if (this.hasCommand(COMMAND.releaseInterruptHandle)) {
      this.command(COMMAND.releaseInterruptHandle, index | (table === 'ims' ? IMS_TABLE : 0));
    }
  }

  hasCommand(code: CommandCode): boolean {
    return ((this.capabilities.cmdcap >>> code) & 1) === 1;
  }

  /** Which PASID's descriptors may name an MSI-X entry; null: those without one (idxd_device_set_perm_entry). */
  setPermission(entry: number, pasid: number | null): void {
    const words = MsixPermission.encode({
      pasidEnable: Number(pasid !== null),
      pasid: pasid ?? 0,
    });
    const at = this.capabilities.tables.msixPermissions + entry * MsixPermission.bytes;
    this.registers.writeWord(at, words[0] ?? 0);
  }

  /** Lets interrupt 0 tell of software errors and halts. */
  enableErrorInterrupts(): void {
    this.registers.write(GENCTRL, { softwareErrorInterrupt: 1, haltInterrupt: 1 });
  }

  /** Handler of interrupt 0 (idxd_misc_thread). */
  handleInterrupt(): void {
    const cause = this.registers.read(INTCAUSE);
    this.registers.writeWords(INTCAUSE.offset, INTCAUSE.encode(cause));
    if (cause.softwareError === 1) {
      this.#reportSoftwareError();
    }
    if (cause.handlesRevoked === 1) {
      this.onHandlesRevoked.forEach((tell) => tell());
    }
    if (cause.halt === 1 && this.registers.read(GENSTS).state === DEVICE_STATE.halted) {
      this.core.warn(`${this.name}: device halted`);
      this.setState('halted');
    }
  }

  /** Physical address of a portal page. */
  portalAddress(wq: number, page: number): number {
    return this.portals + wq * 2 ** WQ_PORTALS_SHIFT + page * 2 ** PORTAL_SHIFT;
  }

  setState(state: IdxdState): void {
    this.core.stateChanged(this.name, this.state, state);
    this.state = state;
    this.publish();
    this.dev.sysfs.touch(`${this.dev.path}/${this.name}`);
  }

  publish(): void {
    this.core.publish(`idxd/${this.dev.name}`, {
      name: this.name,
      state: this.state,
      cmdStatus: this.cmd_status,
      systemPasid: this.systemPasid,
      imsUsed: this.ims?.used ?? 0,
      imsEntries: this.capabilities.imsEntries,
      groups: this.groups.map((g) => ({
        id: g.id,
        wqs: this.wqs.filter((w) => w.config.group_id === g.id).map((w) => w.id),
        engines: this.engines.filter((e) => e.group_id === g.id).map((e) => e.id),
        readBuffersAllowed: g.read_buffers_allowed,
        readBuffersReserved: g.read_buffers_reserved,
      })),
    });
  }

  get #isIdle(): boolean {
    return this.registers.read(CMDSTATUS).active === 0;
  }

  get #timeoutNs(): number {
    return this.core.params.poll_timeout_ns;
  }

  #finishCurrent(): void {
    const current = this.#current;
    if (current !== null && current.result === null) {
      this.core.poll(() => this.#isIdle, this.#timeoutNs);
      current.result = this.#readResult();
    }
  }

  #readResult(): CommandResult {
    const { active, error, result } = this.registers.read(CMDSTATUS);
    return active === 1 ? { error: COMMAND_ERROR.hardware, result: 0 } : { error, result };
  }

  #report(title: string, error: number): void {
    this.cmd_status = error;
    if (error !== 0) {
      const name = COMMAND_ERROR_NAMES[error] ?? 'unknown error';
      this.core.warn(`${this.name}: ${title} failed: ${toHex(error, 2)} ${name}`);
    }
    this.publish();
  }

  /** idxd_device_load_config: what somebody else, the VDCM of a host, has configured. */
  #loadConfiguration(): void {
    const { tables } = this.capabilities;
    for (const group of this.groups) {
      const entry = this.registers.entry(
        GroupConfig,
        tables.groupConfig + group.id * GroupConfig.bytes,
      );
      const isIn = (bits: bigint, id: number): boolean => ((bits >> BigInt(id)) & 1n) === 1n;
      this.wqs.filter((w) => isIn(entry.wqs, w.id)).forEach((w) => w.join(group.id));
      for (const engine of this.engines.filter((e) => isIn(entry.engines, e.id))) {
        engine.group_id = group.id;
      }
      group.read_buffers_allowed = entry.readBuffersAllowed;
      group.read_buffers_reserved = entry.readBuffersReserved;
    }
    this.wqs.forEach((wq) => wq.load());
  }

  #writeConfiguration(): void {
    const { tables, grpcap, gencap } = this.capabilities;
    if (gencap.configuration === 1) {
      this.registers.write(GENCFG, {
        globalReadBufferLimit: this.read_buffer_limit,
        userInterrupts: Number(this.hasUserInterrupts),
      });
      for (const group of this.groups) {
        this.registers.writeWords(
          tables.groupConfig + group.id * GroupConfig.bytes,
          GroupConfig.encode({
            wqs: bitmapOf(this.wqs.filter((w) => w.isIn(group.id)).map((w) => w.id)),
            engines: bitmapOf(this.engines.filter((e) => e.group_id === group.id).map((e) => e.id)),
            tcA: group.traffic_class_a,
            tcB: group.traffic_class_b,
            useGlobalLimit: Number(group.use_read_buffer_limit),
            readBuffersReserved: group.read_buffers_reserved,
            readBuffersAllowed: Math.min(group.read_buffers_allowed, grpcap.readBuffers),
          }),
        );
      }
    }
    this.wqs.forEach((wq) => wq.writeConfiguration());
  }

  #reportSoftwareError(): void {
    const error = this.registers.read(SWERROR);
    if (error.valid === 0) {
      return;
    }
    this.core.warn(
      `${this.name}: software error ${toHex(error.code, 2)} on wq ${error.wq}, PASID ${toHex(error.pasid)}`,
    );
    this.sw_err = this.registers.words(SWERROR.offset, SWERROR_WORDS);
    // The register holds one error; while it is valid, whoever makes errors hides those of the others.
    if (this.core.defends('software-error-clear')) {
      this.registers.writeWord(SWERROR.offset, 3);
    }
    this.onError.forEach((tell) => tell(error));
  }
}

const SWERROR_WORDS = 8;

/** Operand bit of the handle commands that names the IMS table. */
const IMS_TABLE = 0x1_0000;

function bitmapOf(indexes: readonly number[]): bigint {
  return indexes.reduce((bits, index) => bits | (1n << BigInt(index)), 0n);
}
