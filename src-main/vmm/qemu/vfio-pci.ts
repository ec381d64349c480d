/**
 * A VFIO device on the guest's PCI bus (QEMU's hw/vfio/pci.c): configuration space and trapped parts of BARs go through the
 * device's file; areas that may be mapped become memory slots wherever the guest places the BAR; MSI-X is kept here.
 */
import { invariant } from '../../bits/invariant.ts';
import type { ExitReason } from '../../spec/cpu/vm-exit.ts';
import { CAPABILITY_ID } from '../../spec/pcie/capability-id.ts';
import { MSIX_CONTROL, MSIX_PBA, MSIX_TABLE } from '../../spec/pcie/msi-x.ts';
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { EventfdFile } from '../../linux/core/eventfd.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { MAP, PROT } from '../../linux/mm/mm.ts';
import type { Process } from '../../linux/mm/process.ts';
import type { KvmVm } from '../kvm/kvm-vm.ts';
import { DeviceMigration } from './device-migration.ts';
import { MsixEmulation } from './msix-emulation.ts';
import type { RegionInfo, VfioDeviceFd } from './vfio-requests.ts';

type Bytes = 1 | 2 | 4 | 8;

const BAR_COUNT = 6;
const COMMAND_OFFSET = 0x04;
const BAR_OFFSET = 0x10;
const BAR_END = 0x28;
const CAPABILITY_POINTER = 0x34;
const MEMORY_ENABLE = 2;
const BAR_ADDRESS_MASK = 0xffff_fff0;
const BAR_IS_64 = 4;
const TWO_32 = 2 ** 32;
const MAX_CAPABILITIES = 48;

/** Part of a BAR that is mapped into the VMM process. */
interface MappedArea {
  readonly offset: number;
  readonly bytes: number;
  readonly hva: number;
  slot: number;
}

interface Bar {
  readonly index: number;
  readonly region: RegionInfo;
  readonly areas: readonly MappedArea[];
  /** Where the guest sees it, -1 while it does not. */
  gpa: number;
}

interface MsixPlace {
  readonly capability: number;
  readonly table: { readonly bar: number; readonly offset: number };
  readonly pending: { readonly bar: number; readonly offset: number };
}

export interface VfioPciParts {
  readonly kernel: Kernel;
  readonly process: Process;
  readonly vm: KvmVm;
  readonly device: VfioDeviceFd;
  /** Name of the VFIO device: the UUID of a mediated one. */
  readonly name: string;
  /** Requester ID on the guest's bus. */
  readonly rid: number;
}

export class VfioPciDevice {
  readonly name: string;
  readonly rid: number;
  readonly fd: VfioDeviceFd;
  readonly msix: MsixEmulation | null;
  readonly migration: DeviceMigration;
  /** The host asked for the device: the driver of the parent wants it back. */
  isReleaseRequested = false;
  readonly #parts: VfioPciParts;
  readonly #config: RegionInfo;
  readonly #bars: readonly Bar[];
  readonly #msixPlace: MsixPlace | undefined;
  readonly #exits = new Map<ExitReason, number>();

  constructor(parts: VfioPciParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.rid = parts.rid;
    this.fd = parts.device;
    this.migration = new DeviceMigration(parts.kernel, parts.process, parts.device);
    const { regions } = this.fd.info();
    const infos = Array.from({ length: regions }, (_, i) => this.fd.region(i));
    const config = infos[F.VFIO_PCI_CONFIG_REGION_INDEX];
    invariant(config !== undefined, `${this.name} has no configuration space`);
    this.#config = config;
    this.#bars = infos
      .slice(0, BAR_COUNT)
      .filter((region) => region !== undefined && region.bytes > 0)
      .map((region) => this.#makeBar(region as RegionInfo));
    this.#msixPlace = this.#findMsix();
    const irqs = this.fd.irq(F.VFIO_PCI_MSIX_IRQ_INDEX);
    this.msix =
      this.#msixPlace === undefined || irqs === undefined
        ? null
        : new MsixEmulation({ ...parts, vectors: irqs.count });
    this.#watchReleaseRequests();
    this.publish();
  }

  /** Exits that accesses to this device cost. */
  get exits(): number {
    return [...this.#exits.values()].reduce((sum, count) => sum + count, 0);
  }

  exitsOf(reason: ExitReason): number {
    return this.#exits.get(reason) ?? 0;
  }

  /** Accounts an exit that the device caused. */
  count(reason: ExitReason, exits = 1): void {
    this.#exits.set(reason, this.exitsOf(reason) + exits);
    this.publish();
  }

  // ---- configuration space -------------------------------------------------------------------------------------------

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return offset + bytes > this.#config.bytes
      ? 2 ** (bytes * 8) - 1
      : Number(this.fd.read(this.#config.fileOffset + offset, bytes));
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    if (offset + bytes > this.#config.bytes) {
      return;
    }
    this.fd.write(this.#config.fileOffset + offset, bytes, BigInt(value >>> 0));
    const touches = (from: number, to: number): boolean => offset < to && offset + bytes > from;
    if (touches(COMMAND_OFFSET, COMMAND_OFFSET + 2) || touches(BAR_OFFSET, BAR_END)) {
      this.#updateBars();
    }
    const control = (this.#msixPlace?.capability ?? -1) + MSIX_CONTROL.offset;
    if (this.#msixPlace !== undefined && touches(control, control + 2)) {
      this.#updateMsix();
    }
  }

  /** What the VMM's own stream carries of a device: BARs, command register, MSI-X table (vfio_pci_load_config). */
  load(from: VfioPciDevice): void {
    for (let at = BAR_OFFSET; at < BAR_END; at += 4) {
      this.configWrite(at, 4, from.configRead(at, 4));
    }
    this.configWrite(COMMAND_OFFSET, 2, from.configRead(COMMAND_OFFSET, 2));
    const { msix } = this;
    if (msix !== null && from.msix !== null && this.#msixPlace !== undefined) {
      for (let at = 0; at < msix.tableBytes; at += 4) {
        msix.writeTable(at, from.msix.readTable(at));
      }
      const control = this.#msixPlace.capability + MSIX_CONTROL.offset;
      this.configWrite(control, 2, from.configRead(control, 2));
    }
  }

  // ---- BARs ----------------------------------------------------------------------------------------------------------

  /** BAR and offset behind a guest-physical address. */
  find(gpa: number): { readonly bar: number; readonly offset: number } | undefined {
    const bar = this.#bars.find((b) => b.gpa >= 0 && gpa >= b.gpa && gpa < b.gpa + b.region.bytes);
    return bar === undefined ? undefined : { bar: bar.index, offset: gpa - bar.gpa };
  }

  mmioRead(bar: number, offset: number, bytes: Bytes): bigint {
    const place = this.#msixWord(bar, offset);
    if (place !== undefined) {
      const low = BigInt(place.read(0));
      return bytes === 8
        ? (BigInt(place.read(4)) << 32n) | low
        : low & ((1n << BigInt(bytes * 8)) - 1n);
    }
    return this.fd.read(this.#fileOffset(bar) + offset, bytes);
  }

  /** Bytes written, or a negative error number. */
  mmioWrite(bar: number, offset: number, bytes: Bytes, value: bigint): number {
    const place = this.#msixWord(bar, offset);
    if (place === undefined) {
      return this.fd.write(this.#fileOffset(bar) + offset, bytes, value);
    }
    place.write(0, Number(value & 0xffff_ffffn));
    if (bytes === 8) {
      place.write(4, Number((value >> 32n) & 0xffff_ffffn));
    }
    return bytes;
  }

  /** Parts of BARs the guest reaches without an exit. */
  get mappedAreas(): readonly {
    readonly bar: number;
    readonly offset: number;
    readonly gpa: number;
  }[] {
    return this.#bars.flatMap((bar) =>
      bar.areas
        .filter((area) => area.slot >= 0)
        .map((area) => ({ bar: bar.index, offset: area.offset, gpa: bar.gpa + area.offset })),
    );
  }

  reset(): number {
    this.msix?.reset();
    const result = this.fd.reset();
    this.#updateBars();
    return result;
  }

  publish(): void {
    const { vm } = this.#parts;
    this.#parts.kernel.core.publish(`vm/${vm.vm}/device/${this.name}`, {
      rid: this.rid,
      exits: Object.fromEntries(this.#exits),
      isReleaseRequested: this.isReleaseRequested,
      bars: this.#bars.map((bar) => ({
        bar: bar.index,
        bytes: bar.region.bytes,
        gpa: bar.gpa,
        direct: bar.areas.map(({ offset, bytes }) => ({ offset, bytes })),
      })),
    });
  }

  close(): void {
    this.#bars.forEach((bar) => this.#unmap(bar));
    const { vm, kernel, process } = this.#parts;
    this.msix?.reset();
    kernel.calls.close(process, this.fd.fd);
    kernel.core.publish(`vm/${vm.vm}/device/${this.name}`, undefined);
  }

  #makeBar(region: RegionInfo): Bar {
    const { kernel, process } = this.#parts;
    const areas = region.areas.flatMap(({ offset, bytes }) => {
      const hva = kernel.calls.mmap(process, {
        length: bytes,
        prot: PROT.READ | PROT.WRITE,
        flags: MAP.SHARED,
        fd: this.fd.fd,
        offset: region.fileOffset + offset,
      });
      // An area that cannot be mapped stays trapped, which is slow and right.
      return hva < 0 ? [] : [{ offset, bytes, hva, slot: -1 }];
    });
    return { index: region.index, region, areas, gpa: -1 };
  }

  #fileOffset(bar: number): number {
    const found = this.#bars.find((b) => b.index === bar);
    invariant(found !== undefined, `${this.name} has no BAR ${bar}`);
    return found.region.fileOffset;
  }

  /** Slots follow what the guest wrote: none without memory decoding, new ones when a BAR moved. */
  #updateBars(): void {
    const isDecoding = (this.configRead(COMMAND_OFFSET, 2) & MEMORY_ENABLE) !== 0;
    const moved = this.#bars
      .map((bar) => ({ bar, gpa: isDecoding ? this.#barAddress(bar.index) : -1 }))
      .filter(({ bar, gpa }) => gpa !== bar.gpa);
    moved.forEach(({ bar }) => this.#unmap(bar));
    for (const { bar, gpa } of moved) {
      bar.gpa = gpa;
      this.#map(bar);
    }
    if (moved.length > 0) {
      this.publish();
    }
  }

  #barAddress(index: number): number {
    const low = this.configRead(BAR_OFFSET + index * 4, 4);
    const high = (low & BAR_IS_64) === 0 ? 0 : this.configRead(BAR_OFFSET + index * 4 + 4, 4);
    return high * TWO_32 + ((low & BAR_ADDRESS_MASK) >>> 0);
  }

  #map(bar: Bar): void {
    if (bar.gpa < 0) {
      return;
    }
    for (const area of bar.areas) {
      const name = `${this.name} BAR${bar.index}+0x${area.offset.toString(16)}`;
      area.slot = this.#parts.vm.addSlot(bar.gpa + area.offset, area.bytes, area.hva, name);
    }
  }

  #unmap(bar: Bar): void {
    for (const area of bar.areas) {
      if (area.slot >= 0) {
        this.#parts.vm.removeSlot(area.slot);
        area.slot = -1;
      }
    }
    bar.gpa = -1;
  }

  // ---- MSI-X ---------------------------------------------------------------------------------------------------------

  #findMsix(): MsixPlace | undefined {
    let at = this.configRead(CAPABILITY_POINTER, 1);
    for (let left = MAX_CAPABILITIES; left > 0 && at >= 0x40 && at < 0x100; left--) {
      if (this.configRead(at, 1) === CAPABILITY_ID.msiX) {
        const table = MSIX_TABLE.decode([this.configRead(at + MSIX_TABLE.offset, 4)]);
        const pending = MSIX_PBA.decode([this.configRead(at + MSIX_PBA.offset, 4)]);
        return {
          capability: at,
          table: { bar: table.BIR, offset: Number(table.OFFSET) },
          pending: { bar: pending.BIR, offset: Number(pending.OFFSET) },
        };
      }
      at = this.configRead(at + 1, 1);
    }
    return undefined;
  }

  #updateMsix(): void {
    const at = (this.#msixPlace?.capability ?? 0) + MSIX_CONTROL.offset;
    const control = MSIX_CONTROL.decode([this.configRead(at, 2)]);
    this.msix?.setControl(control.ENABLE === 1, control.MASK === 1);
  }

  /** Table or pending bits behind an offset, undefined elsewhere. */
  #msixWord(
    bar: number,
    offset: number,
  ): { read(at: number): number; write(at: number, value: number): void } | undefined {
    const { msix } = this;
    const place = this.#msixPlace;
    if (msix === null || place === undefined) {
      return undefined;
    }
    const inTable = offset - place.table.offset;
    if (bar === place.table.bar && inTable >= 0 && inTable < msix.tableBytes) {
      return {
        read: (at) => msix.readTable(inTable + at),
        write: (at, value) => msix.writeTable(inTable + at, value),
      };
    }
    const inPending = offset - place.pending.offset;
    if (bar === place.pending.bar && inPending >= 0 && inPending < msix.pendingBytes) {
      return { read: (at) => msix.readPending(inPending + at), write: () => {} };
    }
    return undefined;
  }

  /** The request eventfd: the parent's driver asks for the device back. */
  #watchReleaseRequests(): void {
    if (this.fd.irq(F.VFIO_PCI_REQ_IRQ_INDEX) === undefined) {
      return;
    }
    const { kernel, process } = this.#parts;
    const fd = kernel.calls.eventfd(process);
    const file = process.files.get(fd);
    if (file instanceof EventfdFile) {
      file.listen((count) => {
        this.isReleaseRequested ||= count > 0;
        this.publish();
      });
      this.fd.setEventfds(F.VFIO_PCI_REQ_IRQ_INDEX, 0, [fd]);
    }
  }
}
