/**
 * The fixed registers of a VDEV's BAR0: the capabilities of the device cut down to one queue of one owner, and the virtual
 * state. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 */
import { defineRegisterBlock, type Register } from '../../../bits/register-block.ts';
import * as cap from '../../../spec/dsa/capability-registers.ts';
import * as general from '../../../spec/dsa/general-registers.ts';
import { COMMAND, IMPLIED_COMMANDS } from '../../../spec/dsa/commands.ts';
import { OPERATIONS } from '../../../spec/dsa/operations.ts';
import { RegisterFile, type RegisterWrite } from '../../../sim/index.ts';
import type { IdxdCapabilities } from '../registers.ts';
import type { IdxdWq } from '../wq.ts';
import { FIXED_REGISTER_BYTES, VDEV } from './places.ts';

const TABLE_UNIT = 0x100;

const REGISTERS = [
  cap.VERSION,
  cap.GENCAP,
  cap.WQCAP,
  cap.GRPCAP,
  cap.ENGCAP,
  cap.OPCAP,
  cap.OFFSETS,
  cap.CMDCAP,
  general.GENCFG,
  general.GENCTRL,
  general.GENSTS,
  general.INTCAUSE,
  general.CMD,
  general.CMDSTATUS,
  general.SWERROR,
] as const;

const BLOCK = defineRegisterBlock(
  'VDEV',
  REGISTERS.map((register) => register as unknown as Register),
);

/** Registers that a Reset Device command leaves alone. */
const PRESERVED: ReadonlySet<string> = new Set(['CMD', 'CMDSTATUS', 'SWERROR']);

/** Commands that the VDCM carries out. */
const OWN_COMMANDS = (1 << COMMAND.requestInterruptHandle) | (1 << COMMAND.releaseInterruptHandle);

/** Operations on tables that a VDEV does not have. */
const INTER_DOMAIN = OPERATIONS.filter((o) => o.isInterDomain).reduce(
  (bits, { code }) => bits | (1n << BigInt(code)),
  0n,
);

export interface VirtualRegistersHooks {
  onCommand(values: ReturnType<typeof general.CMD.decode>): void;
  isDisabled(): boolean;
}

export class VirtualRegisters {
  readonly file: RegisterFile;
  readonly #capabilities: IdxdCapabilities;
  readonly #wq: IdxdWq;

  constructor(capabilities: IdxdCapabilities, wq: IdxdWq, hooks: VirtualRegistersHooks) {
    this.#capabilities = capabilities;
    this.#wq = wq;
    this.file = new RegisterFile(BLOCK, FIXED_REGISTER_BYTES, {
      onDidWrite: (write) => this.#didWrite(write, hooks),
      isLocked: () => !hooks.isDisabled(),
    });
    this.reset(true);
  }

  get state(): number {
    return this.file.get('GENSTS', 'state');
  }

  set state(value: number) {
    this.file.set('GENSTS', 'state', value);
  }

  /** Commands that CMDCAP reports. */
  get commands(): number {
    const { cmdcap } = this.#capabilities;
    return (cmdcap === 0 ? IMPLIED_COMMANDS : cmdcap & IMPLIED_COMMANDS) | OWN_COMMANDS;
  }

  /** `isFull`: as after a function level reset; otherwise what Reset Device resets. */
  reset(isFull: boolean): void {
    this.file.reset((register) => !isFull && PRESERVED.has(register.name));
    this.#preset();
  }

  /** A register as the guest would read it. */
  decode<R extends Register>(register: R): ReturnType<R['decode']> {
    return register.decode(this.file.wordsOf(register)) as ReturnType<R['decode']>;
  }

  #preset(): void {
    const { version, gencap, wqcap, opcap } = this.#capabilities;
    const { config, isDedicated } = this.#wq;
    const put = ({ offset }: { readonly offset: number }, words: Uint32Array): void =>
      words.forEach((word, i) => this.file.poke32(offset + i * 4, word));
    put(cap.VERSION, cap.VERSION.encode(version));
    put(
      cap.GENCAP,
      cap.GENCAP.encode({
        ...gencap,
        configuration: 0,
        imsBlocks: 0,
        commandCapabilities: 1,
        interDomain: 0,
        eventLog: 0,
        eventLogOverflow: 0,
      }),
    );
    put(
      cap.WQCAP,
      cap.WQCAP.encode({
        ...wqcap,
        totalSize: config.size,
        count: 1,
        countHigh: 0,
        shared: Number(!isDedicated),
        dedicated: Number(isDedicated),
        occupancy: Number(isDedicated && wqcap.occupancy === 1),
        occupancyInterrupt: 0,
      }),
    );
    const grpcap = { ...this.#capabilities.grpcap, count: 1 };
    put(cap.GRPCAP, cap.GRPCAP.encode(grpcap));
    const engcap = { ...this.#capabilities.engcap, count: 1 };
    put(cap.ENGCAP, cap.ENGCAP.encode(engcap));
    put(cap.OPCAP, cap.OPCAP.encode({ operations: opcap & ~INTER_DOMAIN }));
    put(
      cap.OFFSETS,
      cap.OFFSETS.encode({
        groupConfig: VDEV.groupConfig / TABLE_UNIT,
        wqConfig: VDEV.wqConfig / TABLE_UNIT,
        msixPermissions: VDEV.msixPermissions / TABLE_UNIT,
      }),
    );
    put(cap.CMDCAP, cap.CMDCAP.encode({ commands: this.commands }));
  }

  #didWrite({ register, written }: RegisterWrite, hooks: VirtualRegistersHooks): void {
    if (register.name === general.CMD.name) {
      hooks.onCommand(general.CMD.decode(written));
    }
  }
}
