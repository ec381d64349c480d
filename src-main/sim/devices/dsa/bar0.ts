/**
 * BAR0: the fixed registers and the tables whose places OFFSETS and the MSI-X capability tell. DSA 3.0 section 9.2.
 *
 * Accesses are aligned, of 1, 2, 4 or 8 bytes. Tables are made of 32-bit words: a wider access is two, a narrower one a
 * part. The performance counters are registers like the fixed ones.
 */
import { bigOf, highOfBig, lowOfBig } from '../../../bits/u64.ts';
import { toHex } from '../../../bits/hex.ts';
import { REGISTER_IGNORED } from '../../../spec/events/dsa.ts';
import { MMIO_REFUSED } from '../../../spec/events/pcie.ts';
import { accessProblem } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import { ImsTable } from '../../pcie/ims-table.ts';
import { MsixTable } from '../../pcie/msix-table.ts';
import { tableRanges, type DsaSettings, type DsaTablePlaces } from './config.ts';
import type { GroupConfigTable } from './group-config-table.ts';
import type { InterDomain } from './inter-domain.ts';
import type { DsaInterrupts } from './interrupts.ts';
import type { Perfmon } from './perfmon.ts';
import type { DsaRegisters } from './registers.ts';
import type { WorkQueues } from './work-queues.ts';
import type { WqConfigTable } from './wq-config-table.ts';

const LARGEST_ACCESS = 8;
const IMS_ENTRY_WORDS = 4;
const IMS_ADDRESS_UPPER = 0xfee;
const OCCUPANCY_WORD = 6;
const THRESHOLD_WORD = 1;
const OCCUPANCY_LIMIT_WORD = 5;
const GENERATED = 0x1_0000;
const PERMISSION = { ignore: 4, pasidEnable: 8 } as const;

export interface Bar0Units {
  readonly settings: DsaSettings;
  readonly trace: Trace;
  readonly source: number;
  readonly registers: DsaRegisters;
  readonly groups: GroupConfigTable;
  readonly wqConfig: WqConfigTable;
  readonly wqs: WorkQueues;
  readonly interrupts: DsaInterrupts;
  readonly interDomain: InterDomain;
  readonly perfmon: Perfmon;
  readonly isDeviceDisabled: () => boolean;
  /** Threshold, or the occupancy interrupt, of a queue changed. */
  readonly onWqChanged: (wq: number) => void;
}

/** One table: words at an index from its start. */
interface Table {
  readonly name: keyof DsaTablePlaces;
  readonly at: number;
  readonly bytes: number;
  read(index: number): number;
  /** A reason when the write was refused, else empty. */
  write(index: number, value: number, byteMask: number): string;
}

export class Bar0 {
  readonly #u: Bar0Units;
  readonly #tables: readonly Table[];
  readonly #msix: MsixTable;
  readonly #ims: ImsTable;

  constructor(units: Bar0Units) {
    this.#u = units;
    this.#msix = new MsixTable(units.interrupts.msix);
    this.#ims = new ImsTable(units.interrupts.ims);
    this.#tables = tableRanges(units.settings).map((range) => ({
      ...range,
      ...this.#accessors(range.name),
    }));
  }

  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    if (this.#isRefused(offset, bytes)) {
      return (1n << BigInt(bytes * 8)) - 1n;
    }
    const table = this.#tableAt(offset);
    if (table === undefined) {
      return this.#u.registers.isRegister(offset) ? this.#u.registers.file.read(offset, bytes) : 0n;
    }
    if (table.name === 'perfmon') {
      return this.#u.perfmon.file.read(offset - table.at, bytes);
    }
    const index = (offset - table.at) >>> 2;
    const low = table.read(index);
    if (bytes === 8) {
      return bigOf(table.read(index + 1), low);
    }
    const shifted = low >>> ((offset & 3) * 8);
    return BigInt(bytes === 4 ? shifted : shifted & (2 ** (bytes * 8) - 1));
  }

  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (this.#isRefused(offset, bytes)) {
      return;
    }
    const table = this.#tableAt(offset);
    if (table === undefined) {
      if (this.#u.registers.isRegister(offset)) {
        this.#u.registers.file.write(offset, bytes, value);
      }
      return;
    }
    if (table.name === 'perfmon') {
      this.#u.perfmon.file.write(offset - table.at, bytes, value);
      return;
    }
    const index = (offset - table.at) >>> 2;
    if (bytes === 8) {
      if (table.name === 'ims' && index % IMS_ENTRY_WORDS === 0 && highOfBig(value) !== 0) {
        this.#traceIgnored(table, index, value, 'the upper half of an IMS address must be 0');
        return;
      }
      this.#writeTable(table, index, lowOfBig(value), 0xffff_ffff);
      this.#writeTable(table, index + 1, highOfBig(value), 0xffff_ffff);
      return;
    }
    const shift = (offset & 3) * 8;
    const mask = bytes === 4 ? 0xffff_ffff : ((2 ** (bytes * 8) - 1) << shift) >>> 0;
    this.#writeTable(table, index, (lowOfBig(value) << shift) >>> 0, mask);
  }

  /** Whether the dummy portal is there: not where a table lies instead. */
  isFree(offset: number): boolean {
    return this.#tableAt(offset) === undefined;
  }

  #tableAt(offset: number): Table | undefined {
    return this.#tables.find((table) => offset >= table.at && offset < table.at + table.bytes);
  }

  #isRefused(offset: number, bytes: number): boolean {
    const isOutside = offset < 0 || offset + bytes > this.#u.settings.bar0Bytes;
    const reason = isOutside ? 'Outside the BAR' : accessProblem(offset, bytes, LARGEST_ACCESS);
    if (reason !== undefined) {
      this.#u.trace.record(MMIO_REFUSED, this.#u.source, 0, offset, reason);
    }
    return reason !== undefined;
  }

  #writeTable(table: Table, index: number, value: number, byteMask: number): void {
    const reason = table.write(index, value, byteMask);
    if (reason !== '') {
      this.#traceIgnored(table, index, BigInt(value), reason);
    }
  }

  #traceIgnored({ name, at }: Table, index: number, value: bigint, reason: string): void {
    const place = `${name}[${toHex(index * 4)}]`;
    const { trace, source } = this.#u;
    trace.record(REGISTER_IGNORED, source, place, at + index * 4, value, reason);
  }

  #accessors(name: keyof DsaTablePlaces): Pick<Table, 'read' | 'write'> {
    const { groups, interDomain, interrupts } = this.#u;
    switch (name) {
      case 'groupConfig':
        return {
          read: (index) => groups.word(index),
          write: (index, value, mask) =>
            groups.writeWord(index, value, mask, this.#u.isDeviceDisabled())
              ? ''
              : 'GRPCFG is writable only while the device is Disabled',
        };
      case 'wqConfig':
        return {
          read: (index) => this.#readWqConfig(index),
          write: (index, value, mask) => this.#writeWqConfig(index, value, mask),
        };
      case 'msixPermissions':
        return {
          read: (index) => this.#readPermission(index),
          write: (index, value, mask) => this.#writePermission(index, value, mask),
        };
      case 'msixTable':
        return {
          read: (index) => Number(this.#msix.readTable(index * 4, 4)),
          write: (index, value, mask) => {
            const before = Number(this.#msix.readTable(index * 4, 4));
            this.#msix.writeTable(index * 4, 4, BigInt(merge(before, value, mask)));
            return '';
          },
        };
      case 'msixPba':
        return {
          read: (index) => interrupts.msix.pendingWord(index),
          write: () => 'the pending bit array is read-only',
        };
      case 'ims':
        return {
          read: (index) => Number(this.#ims.read(index * 4, 4)),
          write: (index, value, mask) => this.#writeIms(index, value, mask),
        };
      case 'interDomain':
        return {
          read: (index) => interDomain.word(index),
          write: (index, value, mask) => {
            interDomain.writeWord(index, value, mask);
            return '';
          },
        };
      case 'perfmon':
        return { read: (index) => this.#u.perfmon.file.peek32(index * 4), write: () => '' };
    }
  }

  #readWqConfig(index: number): number {
    const { wqConfig, wqs } = this.#u;
    const wq = Math.floor(index / wqConfig.entryWords);
    const word = wqConfig.word(index);
    if (index % wqConfig.entryWords !== OCCUPANCY_WORD) {
      return word;
    }
    const generated = wqs.occupancyGenerated[wq] === 1 ? GENERATED : 0;
    return (
      (word | (wqs.occupancy[wq] as number) | generated | ((wqs.state[wq] as number) << 30)) >>> 0
    );
  }

  #writeWqConfig(index: number, value: number, byteMask: number): string {
    const { wqConfig, wqs } = this.#u;
    const wq = Math.floor(index / wqConfig.entryWords);
    const word = index % wqConfig.entryWords;
    const state = { isDeviceDisabled: this.#u.isDeviceDisabled(), state: wqs.state[wq] as number };
    const refused = wqConfig.writeWord(wq, word, value, byteMask, state);
    if (word === OCCUPANCY_WORD && (value & byteMask & GENERATED) !== 0) {
      wqs.occupancyGenerated[wq] = 0;
    }
    if (word === THRESHOLD_WORD || word === OCCUPANCY_LIMIT_WORD || word === OCCUPANCY_WORD) {
      this.#u.onWqChanged(wq);
    }
    return refused === 0 ? '' : `bits ${toHex(refused, 8)} of WQCFG ${wq} are read-only now`;
  }

  #readPermission(index: number): number {
    const { msix } = this.#u.interrupts;
    const entry = index >>> 1;
    if ((index & 1) !== 0) {
      return 0;
    }
    return (
      ((msix.isIgnored(entry) ? PERMISSION.ignore : 0) |
        (msix.isPasidEnabled(entry) ? PERMISSION.pasidEnable : 0) |
        (msix.pasidField(entry) << 12)) >>>
      0
    );
  }

  #writePermission(index: number, value: number, byteMask: number): string {
    if ((index & 1) !== 0) {
      return '';
    }
    const merged = merge(this.#readPermission(index), value, byteMask);
    this.#u.interrupts.msix.setPermissionFields(
      index >>> 1,
      (merged & PERMISSION.ignore) !== 0,
      (merged & PERMISSION.pasidEnable) !== 0,
      merged >>> 12,
    );
    return '';
  }

  #writeIms(index: number, value: number, byteMask: number): string {
    const offset = index * 4;
    const merged = merge(Number(this.#ims.read(offset, 4)), value, byteMask);
    this.#ims.write(offset, 4, BigInt(merged));
    const part = index % IMS_ENTRY_WORDS;
    if (part === 0 && merged >>> 20 !== IMS_ADDRESS_UPPER) {
      return 'the address of an IMS entry must lie in the interrupt range FEE0_0000h';
    }
    return part === 1 && merged !== 0 ? 'the upper half of an IMS address must be 0' : '';
  }
}

function merge(before: number, value: number, byteMask: number): number {
  return ((before & ~byteMask) | (value & byteMask)) >>> 0;
}
