/**
 * The fixed registers of BAR0 for one instance: declarations, gated and preset by its capabilities, in one register file.
 * DSA 3.0 section 9.2.
 */
import { defineRegisterBlock, gateRegister, type Register } from '../../../bits/register-block.ts';
import * as cap from '../../../spec/dsa/capability-registers.ts';
import * as general from '../../../spec/dsa/general-registers.ts';
import { RegisterFile, type RegisterFileHooks } from '../../core/register-file.ts';
import type { DsaCapabilities } from './capabilities.ts';

/** Registers that a Reset Device command leaves alone. */
const PRESERVED: ReadonlySet<string> = new Set(['CMD', 'CMDSTATUS', 'SWERROR', 'EVLSTATUS']);

const CAPABILITY_REGISTERS = [
  cap.VERSION,
  cap.GENCAP,
  cap.WQCAP,
  cap.GRPCAP,
  cap.ENGCAP,
  cap.OPCAP,
  cap.OFFSETS,
  cap.CMDCAP,
  cap.IDCAP,
  cap.DSACAP0,
  cap.DSACAP1,
  cap.DSACAP2,
] as const;
const GENERAL_REGISTERS = [
  general.GENCFG,
  general.GENCTRL,
  general.GENSTS,
  general.INTCAUSE,
  general.CMD,
  general.CMDSTATUS,
  general.SWERROR,
  general.EVLCFG,
  general.EVLSTATUS,
  general.IDBR,
] as const;

/** Offset up to which the fixed registers reach. */
export const FIXED_REGISTER_BYTES = 0x400;

export class DsaRegisters {
  readonly file: RegisterFile;
  /** GENCFG: unprivileged descriptors may ask for interrupts. */
  areUserInterruptsOn = false;
  isEventLogOn = false;
  #state = 0;
  readonly #capabilities: DsaCapabilities;

  constructor(capabilities: DsaCapabilities, hooks: RegisterFileHooks) {
    this.#capabilities = capabilities;
    const { context, settings } = capabilities;
    const hasParameter = context.has('INTER_DOMAIN');
    const all = [
      ...CAPABILITY_REGISTERS,
      ...GENERAL_REGISTERS,
      ...(hasParameter ? [general.CMDPARAM] : []),
    ];
    const block = defineRegisterBlock(
      'DSA',
      all.map((register) => gateRegister(register as unknown as Register, context)),
    );
    this.file = new RegisterFile(block, settings.bar0Bytes, hooks);
    this.reset(true);
  }

  /** Whether a register lies at the offset; the tables and the dummy portal are elsewhere. */
  isRegister(offset: number): boolean {
    return offset < FIXED_REGISTER_BYTES || this.file.registerAt(offset) !== undefined;
  }

  /** Device state of GENSTS, kept apart for hot paths. */
  get state(): number {
    return this.#state;
  }

  set state(value: number) {
    this.#state = value;
    this.file.set('GENSTS', 'state', value);
  }

  /** Brings the copies in line with the registers. */
  refresh(): void {
    this.#state = this.file.get('GENSTS', 'state');
    this.areUserInterruptsOn = this.file.get('GENCFG', 'userInterrupts') === 1;
    this.isEventLogOn = this.file.get('GENCFG', 'eventLogEnable') === 1;
  }

  get(register: string, field: string): number {
    return this.file.get(register, field);
  }

  set(register: string, field: string, value: number | bigint): void {
    this.file.set(register, field, value);
  }

  /** `isFull` for power-on and function level reset; otherwise what Reset Device resets. */
  reset(isFull: boolean): void {
    this.file.reset((register) => !isFull && PRESERVED.has(register.name));
    this.#presetCapabilities();
    this.set('GENCFG', 'globalReadBufferLimit', this.#capabilities.settings.readBuffers);
    this.refresh();
  }

  #presetCapabilities(): void {
    for (const [register, words] of this.#capabilities.registers) {
      words.forEach((word, i) => {
        this.file.poke32(register.offset + 4 * i, word);
      });
    }
  }
}
