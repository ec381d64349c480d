/**
 * What software has switched on in the configuration space of a function, kept as plain values for hot paths, with the
 * behaviour of the standard capabilities: PASID, ATS, PRI, MSI-X, virtual channels, function level reset. PCIe Base,
 * "Capability Structures".
 *
 * Errors of requests show in the status register alone: nothing is reported through AER.
 *
 * Works with any function that places the capabilities under their usual names; absent ones read as off.
 */
import type { RegisterWrite } from '../core/register-file.ts';
import type { Trace } from '../core/trace.ts';
import { BAR_PLACED, CAPABILITY_SWITCHED } from '../../spec/events/pcie.ts';
import type { ConfigSpace } from './config-space.ts';
import type { InterruptTable } from './interrupt-table.ts';
import { COMPLETION, type CompletionStatus } from './ports.ts';

/** Enables whose change while a device works is a mistake on many devices. */
export type SwitchName = 'busMaster' | 'pasid' | 'ats' | 'pri';

export interface FunctionCapabilityHooks {
  /** FLR was asked for through the PCI Express capability. */
  onFunctionLevelReset(): void;
  /** One of the named enables changed. */
  onDidSwitch?(name: SwitchName, isOn: boolean): void;
  /** The page request interface was enabled, disabled or reset, or its allocation changed. */
  onPageRequestsChanged?(): void;
  readonly barBytes: readonly number[];
}

const TRAFFIC_CLASSES = 8;
const SWITCH_TITLES: Readonly<Record<SwitchName, string>> = {
  busMaster: 'Bus Master Enable',
  pasid: 'PASID',
  ats: 'ATS',
  pri: 'PRI',
};

export class FunctionCapabilities {
  isMemoryEnabled = false;
  isBusMaster = false;
  isPasidEnabled = false;
  isPrivilegedEnabled = false;
  isAtsEnabled = false;
  /** Enabled and not failed. */
  isPriEnabled = false;
  /** Page requests that software lets the function have outstanding. */
  priAllocation = 0;
  /** Bit n: traffic class n belongs to an enabled virtual channel. */
  trafficClasses = 1;

  #isPriSwitchedOn = false;
  readonly #config: ConfigSpace;
  readonly #hooks: FunctionCapabilityHooks;
  readonly #msix: InterruptTable | undefined;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #names: ReadonlySet<string>;

  constructor(
    config: ConfigSpace,
    hooks: FunctionCapabilityHooks,
    msix: InterruptTable | undefined,
    trace: Trace,
    source: number,
  ) {
    this.#config = config;
    this.#hooks = hooks;
    this.#msix = msix;
    this.#trace = trace;
    this.#source = source;
    this.#names = new Set(config.registers.block.registers.map((r) => r.name));
    this.refresh();
  }

  get isPrivilegedModeOn(): boolean {
    return this.isPasidEnabled && this.isPrivilegedEnabled;
  }

  /** To be called from the configuration space's `onDidWrite`. */
  onDidWrite(write: RegisterWrite): void {
    const { name } = write.register;
    if (name === 'EXP_DEVICE_CONTROL') {
      this.#writeDeviceControl(write);
    } else if (name === 'PRI_CONTROL') {
      this.#writePageRequestControl(write);
    } else if (name.startsWith('BAR')) {
      this.#reportBar(name);
    }
    this.#switchTo(name);
  }

  /** Reads everything from the registers again, after reset and restore. */
  refresh(): void {
    this.isMemoryEnabled = this.#flag('COMMAND', 'MSE');
    this.isBusMaster = this.#flag('COMMAND', 'BME');
    this.isPasidEnabled = this.#flag('PASID_CONTROL', 'ENABLE');
    this.isPrivilegedEnabled = this.#flag('PASID_CONTROL', 'PRIV');
    this.isAtsEnabled = this.#flag('ATS_CONTROL', 'ENABLE');
    this.#isPriSwitchedOn = this.#flag('PRI_CONTROL', 'ENABLE');
    this.isPriEnabled = this.#isPriSwitchedOn && !this.#flag('PRI_STATUS', 'RF');
    this.priAllocation = this.#value('PRI_ALLOCATION', 'ALLOCATION');
    this.trafficClasses = this.#trafficClasses();
  }

  /** Keeps Stopped of the page request status up to date. */
  updateStopped(isIdle: boolean): void {
    if (this.#names.has('PRI_STATUS')) {
      const isStopped = !this.isPriEnabled && isIdle;
      this.#config.set('PRI_STATUS', 'STOPPED', isStopped ? 1 : 0);
    }
  }

  /** A response told the function to stop: PRI is off until software clears the status. */
  failPageRequests(): void {
    this.#config.set('PRI_STATUS', 'RF', 1);
    this.isPriEnabled = false;
  }

  /** A request of the function was not completed: software finds it in the status register. */
  noteRefusal(status: CompletionStatus): void {
    if (status === COMPLETION.unsupportedRequest) {
      this.#config.set('STATUS', 'RMA', 1);
    } else if (status === COMPLETION.completerAbort) {
      this.#config.set('STATUS', 'RTA', 1);
    }
  }

  reportUnexpectedGroup(): void {
    this.#config.set('PRI_STATUS', 'UPRGI', 1);
  }

  #flag(register: string, field: string): boolean {
    return this.#value(register, field) === 1;
  }

  #value(register: string, field: string): number {
    return this.#names.has(register) ? this.#config.get(register, field) : 0;
  }

  #trafficClasses(): number {
    if (!this.#names.has('VC0_CONTROL')) {
      return 2 ** TRAFFIC_CLASSES - 1;
    }
    // TC0 always belongs to VC0.
    const first = this.#value('VC0_CONTROL', 'MAP') | 1;
    return first | (this.#flag('VC1_CONTROL', 'ENABLE') ? this.#value('VC1_CONTROL', 'MAP') : 0);
  }

  #switchTo(register: string): void {
    const was = {
      busMaster: this.isBusMaster,
      pasid: this.isPasidEnabled,
      ats: this.isAtsEnabled,
      pri: this.#isPriSwitchedOn,
    };
    const wasUsable = this.isPriEnabled;
    const allocation = this.priAllocation;
    this.refresh();
    const is = {
      busMaster: this.isBusMaster,
      pasid: this.isPasidEnabled,
      ats: this.isAtsEnabled,
      pri: this.#isPriSwitchedOn,
    };
    if (register === 'MSIX_CONTROL') {
      this.refreshMsix();
    }
    for (const name of Object.keys(is) as SwitchName[]) {
      if (was[name] !== is[name]) {
        this.#trace.record(CAPABILITY_SWITCHED, this.#source, SWITCH_TITLES[name], is[name]);
        this.#hooks.onDidSwitch?.(name, is[name]);
      }
    }
    if (wasUsable !== this.isPriEnabled || allocation !== this.priAllocation) {
      this.#hooks.onPageRequestsChanged?.();
    }
  }

  /** Brings the interrupt table in line with the MSI-X capability. */
  refreshMsix(): void {
    const isEnabled = this.#flag('MSIX_CONTROL', 'ENABLE');
    if (this.#msix !== undefined && this.#msix.isEnabled !== isEnabled) {
      this.#trace.record(CAPABILITY_SWITCHED, this.#source, 'MSI-X', isEnabled);
    }
    this.#msix?.setFunctionMasked(this.#flag('MSIX_CONTROL', 'MASK'));
    this.#msix?.setEnabled(isEnabled);
  }

  #writeDeviceControl({ register, written }: RegisterWrite): void {
    if (register.get(written, register.field('IFLR')) === 1n) {
      this.#config.set('EXP_DEVICE_CONTROL', 'IFLR', 0);
      this.#hooks.onFunctionLevelReset();
    }
  }

  #writePageRequestControl({ register, written, after }: RegisterWrite): void {
    const isEnabled = register.get(after, register.field('ENABLE')) === 1n;
    if (register.get(written, register.field('RESET')) === 1n) {
      this.#config.set('PRI_CONTROL', 'RESET', 0);
      if (!isEnabled) {
        this.#config.set('PRI_STATUS', 'RF', 0);
        this.#config.set('PRI_STATUS', 'UPRGI', 0);
        this.#hooks.onPageRequestsChanged?.();
      }
    }
  }

  /** Reports a BAR once it is whole: a 64-bit one when its upper half is written. */
  #reportBar(name: string): void {
    const index = Number(name.slice('BAR'.length));
    const isLowHalf = this.#names.has(`BAR${index}`) && this.#config.isWideBar(index);
    const first = (this.#hooks.barBytes[index] ?? 0) === 0 ? index - 1 : index;
    const bytes = this.#hooks.barBytes[first] ?? 0;
    const address = this.#config.barAddress(first);
    // All ones in the writable bits of a register is software asking for the size; no window lies that high.
    const shift = this.#config.isWideBar(first) ? 32n : 0n;
    const answer = (1n << (32n + shift)) - BigInt(bytes);
    const isSizing = address >> shift === answer >> shift;
    if (!isLowHalf && address !== 0n && !isSizing) {
      this.#trace.record(BAR_PLACED, this.#source, first, address, bytes);
    }
  }
}
