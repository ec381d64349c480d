/**
 * Enumeration: finds the functions behind the host bridges and sizes their BARs. Which buses have a host bridge is what
 * ACPI would tell; here it is the bus numbers that the machine's configuration names.
 */
import { invariant } from '../../bits/invariant.ts';
import type { Core } from '../core/core.ts';
import type { PciConfig } from './pci-config.ts';
import type { PciResource } from './pci-dev.ts';
import { PCI_REGS } from './pci-regs.ts';

export interface FoundFunction {
  readonly rid: number;
  readonly vendor: number;
  readonly device: number;
  readonly class: number;
  readonly isMultifunction: boolean;
  /** Bus below a bridge. */
  readonly secondaryBus?: number;
}

const NO_DEVICE = 0xffff;
const BAR_COUNT = 6;
const BRIDGE_BAR_COUNT = 2;
const MEMORY_MASK = 0xffff_fff0;
const TWO_32 = 2 ** 32;
const SLOTS = 32;
const FUNCTIONS = 8;

/** Requester ID from `6a:01.0` or `0000:6a:01.0`. */
export function parseBdf(text: string): number {
  const match = /^(?:[0-9a-f]{4}:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(text);
  invariant(match !== null, `${text} is not of the form 6a:01.0`);
  const [, bus, slot, fn] = match as unknown as [string, string, string, string];
  return (parseInt(bus, 16) << 8) | (parseInt(slot, 16) << 3) | Number(fn);
}

/** Buses with a host bridge: all but those below ports. */
export function rootBuses(core: Core): readonly number[] {
  const { devices } = core.hw.config;
  const below = new Set(
    devices.flatMap((d) => (d.kind === 'root-port' ? [d.options?.['secondaryBus']] : [])),
  );
  const buses = devices.map((d) => parseBdf(d.bdf) >>> 8).filter((bus) => !below.has(bus));
  return [...new Set([0, ...buses])].sort((a, b) => a - b);
}

/** What firmware says of the slot, or of the port above it (the `ExternalFacingPort` property). */
export function isExternal(core: Core, rid: number): boolean {
  return core.hw.config.devices.some((d) => d.isExternal === true && parseBdf(d.bdf) === rid);
}

export function scanFunction(config: PciConfig, rid: number): FoundFunction | undefined {
  const vendor = config.read({ rid }, PCI_REGS.PCI_VENDOR_ID, 2);
  if (vendor === NO_DEVICE || vendor === 0) {
    return undefined;
  }
  const header = config.read({ rid }, PCI_REGS.PCI_HEADER_TYPE, 1);
  const isBridge = (header & PCI_REGS.PCI_HEADER_TYPE_MASK) === PCI_REGS.PCI_HEADER_TYPE_BRIDGE;
  return {
    rid,
    vendor,
    device: config.read({ rid }, PCI_REGS.PCI_DEVICE_ID, 2),
    class: config.read({ rid }, PCI_REGS.PCI_CLASS_REVISION, 4) >>> 8,
    isMultifunction: (header & PCI_REGS.PCI_HEADER_TYPE_MFD) !== 0,
    ...(isBridge ? { secondaryBus: config.read({ rid }, PCI_REGS.PCI_SECONDARY_BUS, 1) } : {}),
  };
}

/** Functions of a bus in the order of their Requester IDs. */
export function scanBus(config: PciConfig, bus: number): readonly FoundFunction[] {
  const found: FoundFunction[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    const first = scanFunction(config, (bus << 8) | (slot << 3));
    if (first === undefined) {
      continue;
    }
    found.push(first);
    for (let fn = 1; first.isMultifunction && fn < FUNCTIONS; fn++) {
      const other = scanFunction(config, first.rid | fn);
      if (other !== undefined) {
        // Whatever its own header says (pci_scan_slot).
        found.push({ ...other, isMultifunction: true });
      }
    }
  }
  return found;
}

/** BARs as firmware placed them. Sizes come from writing all ones with memory decoding off. */
export function readBars(
  config: PciConfig,
  { rid, secondaryBus }: Pick<FoundFunction, 'rid' | 'secondaryBus'>,
): readonly PciResource[] {
  const dev = { rid };
  const command = config.read(dev, PCI_REGS.PCI_COMMAND, 2);
  config.write(dev, PCI_REGS.PCI_COMMAND, 2, command & ~PCI_REGS.PCI_COMMAND_MEMORY);
  const resources: PciResource[] = [];
  const count = secondaryBus === undefined ? BAR_COUNT : BRIDGE_BAR_COUNT;
  for (let bar = 0; bar < count; bar++) {
    const at = PCI_REGS.PCI_BASE_ADDRESS_0 + bar * 4;
    const low = config.read(dev, at, 4);
    const is64Bit = (low & 0x6) === PCI_REGS.PCI_BASE_ADDRESS_MEM_TYPE_64;
    const high = is64Bit ? config.read(dev, at + 4, 4) : 0;
    const bytes = sizeBar(config, dev, at, is64Bit);
    config.write(dev, at, 4, low);
    if (is64Bit) {
      config.write(dev, at + 4, 4, high);
    }
    if (bytes > 0) {
      resources.push({
        bar,
        start: high * TWO_32 + ((low & MEMORY_MASK) >>> 0),
        bytes,
        is64Bit,
        isPrefetchable: (low & PCI_REGS.PCI_BASE_ADDRESS_MEM_PREFETCH) !== 0,
      });
    }
    bar += is64Bit ? 1 : 0;
  }
  config.write(dev, PCI_REGS.PCI_COMMAND, 2, command);
  return resources;
}

function sizeBar(
  config: PciConfig,
  dev: { readonly rid: number },
  at: number,
  is64Bit: boolean,
): number {
  config.write(dev, at, 4, 0xffff_ffff);
  const low = (config.read(dev, at, 4) & MEMORY_MASK) >>> 0;
  if (low === 0 && !is64Bit) {
    return 0;
  }
  if (!is64Bit) {
    return TWO_32 - low;
  }
  config.write(dev, at + 4, 4, 0xffff_ffff);
  const high = config.read(dev, at + 4, 4);
  const mask = (BigInt(high) << 32n) | BigInt(low);
  return mask === 0n ? 0 : Number((1n << 64n) - mask);
}
