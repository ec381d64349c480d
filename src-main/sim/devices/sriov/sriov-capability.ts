/**
 * The SR-IOV capability of a physical function: creates its virtual functions when software sets VF Enable and removes them
 * when it clears it. PCIe Base, "SR-IOV Extended Capability".
 *
 * VF BARs are 64-bit and prefetchable. A virtual function whose Requester ID is taken, or lies on a bus above the last one of
 * the port, does not come into being. ARI Capable Hierarchy is stored; integrated endpoints have no port that would have to
 * forward. Not modelled: VF migration, resizable VF BARs, the waiting time after VF Enable.
 */
import {
  SRIOV_WRITE_IGNORED,
  VF_UNREACHABLE,
  VFS_DISABLED,
  VFS_ENABLED,
} from '../../../spec/events/sriov.ts';
import { placeCapability, type CapabilityPlacement } from '../../../spec/pcie/capability.ts';
import { busOf } from '../../../spec/pcie/requester-id.ts';
import { SrIovCapability } from '../../../spec/pcie/sr-iov.ts';
import type { RegisterFile, RegisterWrite } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import type { FunctionHost, PcieFunction } from '../../pcie/ports.ts';
import type { SriovSettings } from './sriov-settings.ts';

/** 64-bit, prefetchable, memory. */
const BAR_TYPE = 0xc;
const BAR_COUNT = 6;
const PAGE_SHIFT = 12;
/** Pages of 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB, 4 MiB, as the base specification demands. */
const PAGE_SIZES = 0x553;
const VF_ENABLE = 1;
const VF_MEMORY_ENABLE = 8;

export function sriovPlacement(offset: number, settings: SriovSettings): CapabilityPlacement {
  return placeCapability(SrIovCapability, offset, {
    initialVfs: { VALUE: settings.totalVfs },
    totalVfs: { VALUE: settings.totalVfs },
    firstVfOffset: { VALUE: settings.firstOffset },
    vfStride: { VALUE: settings.stride },
    vfDeviceId: { VALUE: settings.vfDeviceId },
    supportedPageSizes: { SIZES: PAGE_SIZES },
  });
}

/** A virtual function, told apart by its number, from 1. */
export interface NumberedFunction extends PcieFunction {
  readonly number: number;
  readonly rid: number;
}

export interface SriovCapabilityOptions<V extends NumberedFunction> {
  readonly settings: SriovSettings;
  /** Configuration space of the physical function. */
  readonly registers: RegisterFile;
  /** Requester ID of the physical function. */
  readonly rid: number;
  readonly host: FunctionHost;
  readonly trace: Trace;
  readonly source: number;
  /** Bytes of each BAR of one virtual function, by index; 0 for none and for upper halves. */
  readonly vfBarBytes: readonly number[];
  /** Gives the virtual function that comes into being. */
  readonly create: (number: number, rid: number) => V;
  /** It is on the fabric: the device lends it resources. */
  readonly onDidAdd?: (vf: V) => void;
  /** It is gone: the device takes them back. */
  readonly onDidRemove: (vf: V) => void;
}

export class SriovCapability<V extends NumberedFunction> {
  readonly #o: SriovCapabilityOptions<V>;
  #present: readonly V[] = [];

  constructor(options: SriovCapabilityOptions<V>) {
    this.#o = options;
    this.initBars();
  }

  /** Those that exist, in the order of their numbers. */
  get functions(): readonly V[] {
    return this.#present;
  }

  get isEnabled(): boolean {
    return (this.#control & VF_ENABLE) !== 0;
  }

  /** Bytes of one virtual function's slice of a BAR under the system page size. */
  apertureBytes(bar: number): number {
    const page = this.#o.registers.get('SRIOV_SYSTEM_PAGE_SIZE', 'SIZE') * 2 ** PAGE_SHIFT;
    return Math.max(this.#o.vfBarBytes[bar] ?? 0, page);
  }

  /** Where a virtual function answers, 0: nowhere. */
  addressOf(number: number, bar: number): number {
    const { registers } = this.#o;
    const isOn = (this.#control & VF_MEMORY_ENABLE) !== 0;
    if (!isOn || !this.#hasBar(bar)) {
      return 0;
    }
    const at = registers.register(`SRIOV_VF_BAR${bar}`).offset;
    const base = registers.peek32(at + 4) * 2 ** 32 + ((registers.peek32(at) & ~0xf) >>> 0);
    return base === 0 ? 0 : base + (number - 1) * this.apertureBytes(bar);
  }

  /** To be called for every write to the physical function's configuration space. */
  onDidWrite(write: RegisterWrite): void {
    const { name } = write.register;
    if (name === 'SRIOV_CONTROL') {
      this.#onControl((write.before[0] ?? 0) ^ (write.after[0] ?? 0));
    } else if (name === 'SRIOV_NUM_VFS') {
      this.#keepUnless(write, (value) => value <= this.#o.settings.totalVfs);
    } else if (name === 'SRIOV_SYSTEM_PAGE_SIZE') {
      this.#keepUnless(
        write,
        (value) => (value & PAGE_SIZES) !== 0 && Number.isInteger(Math.log2(value)),
      );
      this.initBars();
    } else if (name.startsWith('SRIOV_VF_BAR')) {
      this.#fixBar(Number(name.slice('SRIOV_VF_BAR'.length)));
      this.#o.host.barsMoved();
    }
  }

  /** Types of the BARs: after construction and reset of the configuration space. */
  initBars(): void {
    for (let index = 0; index < BAR_COUNT; index++) {
      this.#fixBar(index);
    }
  }

  /** All virtual functions go: reset of the physical function. */
  removeAll(): void {
    const gone = this.#present;
    this.#present = [];
    this.#drop(gone);
    if (gone.length > 0) {
      this.#o.trace.record(VFS_DISABLED, this.#o.source, gone.length);
    }
  }

  /** Brings the functions in line with the registers, which were restored. Nothing is told: it has happened before. */
  restore(): void {
    const before = this.#present;
    const numbers = this.isEnabled ? this.#reachableNumbers() : [];
    this.#drop(before.filter((vf) => !numbers.includes(vf.number)));
    this.#present = numbers.map(
      (number) => before.find((vf) => vf.number === number) ?? this.#add(number),
    );
    this.#o.host.barsMoved();
  }

  get #control(): number {
    const { registers } = this.#o;
    return registers.wordsOf(registers.register('SRIOV_CONTROL'))[0] ?? 0;
  }

  get #wanted(): number {
    return this.#o.registers.get('SRIOV_NUM_VFS', 'VALUE');
  }

  #hasBar(index: number): boolean {
    return (this.#o.vfBarBytes[index] ?? 0) > 0;
  }

  #ridOf(number: number): number {
    const { rid, settings } = this.#o;
    return rid + settings.firstOffset + (number - 1) * settings.stride;
  }

  #onControl(changed: number): void {
    if ((changed & VF_ENABLE) !== 0) {
      if (this.isEnabled) {
        this.#addAll();
      } else {
        this.removeAll();
      }
    }
    if ((changed & VF_MEMORY_ENABLE) !== 0) {
      this.#o.host.barsMoved();
    }
  }

  #addAll(): void {
    const { settings, trace, source } = this.#o;
    const reachable = this.#reachableNumbers();
    for (let number = 1; number <= this.#wanted; number++) {
      if (!reachable.includes(number)) {
        trace.record(VF_UNREACHABLE, source, number, this.#ridOf(number));
      }
    }
    this.#present = reachable.map((number) => this.#add(number));
    trace.record(VFS_ENABLED, source, reachable.length, this.#ridOf(1), settings.stride);
  }

  /** Numbers whose Requester ID is free and on a bus that the port has. */
  #reachableNumbers(): readonly number[] {
    const { settings, rid, host } = this.#o;
    const lastBus = settings.subordinateBus ?? busOf(rid);
    const numbers = Array.from({ length: this.#wanted }, (_, i) => i + 1);
    return numbers.filter((number) => {
      const there = host.find(this.#ridOf(number));
      const isFree = there === undefined || this.#present.some((vf) => vf === there);
      return isFree && busOf(this.#ridOf(number)) <= lastBus;
    });
  }

  #add(number: number): V {
    const { create, host, onDidAdd } = this.#o;
    const rid = this.#ridOf(number);
    const vf = create(number, rid);
    host.add(rid, vf);
    onDidAdd?.(vf);
    return vf;
  }

  #drop(gone: readonly V[]): void {
    for (const vf of gone) {
      this.#o.host.remove(vf.rid);
      this.#o.onDidRemove(vf);
    }
  }

  /** Bits below the aperture cannot be written; BARs that do not exist read as zero. */
  #fixBar(index: number): void {
    const { registers } = this.#o;
    const { offset } = registers.register(`SRIOV_VF_BAR${index}`);
    if (this.#hasBar(index)) {
      const low = (registers.peek32(offset) & ~(this.apertureBytes(index) - 1)) | BAR_TYPE;
      registers.poke32(offset, low >>> 0);
    } else if (!this.#hasBar(index - 1)) {
      registers.poke32(offset, 0);
    }
  }

  /** Puts the old value back when virtual functions exist or the new one is none of the allowed. */
  #keepUnless({ register, before, after }: RegisterWrite, isAllowed: (v: number) => boolean): void {
    const { registers, trace, source } = this.#o;
    const value = after[0] ?? 0;
    if (!this.isEnabled && isAllowed(value)) {
      return;
    }
    const [field] = register.fields.filter((f) => f.spec.role === 'value');
    registers.set(register.name, field?.name ?? '', before[0] ?? 0);
    if (value !== before[0]) {
      trace.record(SRIOV_WRITE_IGNORED, source, register.title, value);
    }
  }
}
