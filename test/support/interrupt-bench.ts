/** Interrupt remapping alone: memory with a table in it, and sinks that remember. */
import { bigOf } from '../../src-main/bits/u64.ts';
import { Trace } from '../../src-main/sim/core/trace.ts';
import { InterruptRemapping } from '../../src-main/sim/iommu/interrupt-remapping.ts';
import type { FaultReport } from '../../src-main/sim/iommu/ports.ts';
import { unitLimits } from '../../src-main/sim/iommu/unit-limits.ts';
import type { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { CompletionStatus } from '../../src-main/sim/pcie/ports.ts';
import {
  DEFAULT_PROFILE,
  decodeCapability,
  type CapabilityProfile,
} from '../../src-main/spec/vtd/capability-profile.ts';
import { CAP_REG, ECAP_REG } from '../../src-main/spec/vtd/registers/capability.ts';
import {
  PostedInterruptEntry,
  RemappedInterruptEntry,
  RemappedInterruptEntryXapic,
} from '../../src-main/spec/vtd/interrupt-remap-entry.ts';
import { remappableMessage } from '../../src-main/spec/vtd/interrupt-message.ts';
import { PostedInterruptDescriptor } from '../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import { createMemory } from './cpu-bench.ts';

export const TABLE = 0x20_0000;
export const DESCRIPTOR = 0x30_0040;
/** Bus 3, device 3, function 0. */
export const SID = 0x0318;

export interface Delivered {
  readonly address: bigint;
  readonly data: number;
}

export interface InterruptBenchOptions {
  readonly isExtended?: boolean;
  /** IRTA_REG.S: the table has 2^(S+1) entries. */
  readonly size?: number;
  readonly table?: number;
  readonly cacheEntries?: number;
  readonly isEnabled?: boolean;
  readonly isCompatibilityPassed?: boolean;
  readonly flags?: Readonly<Record<string, boolean>>;
  readonly haw?: number;
}

export class InterruptBench {
  readonly memory: PhysicalMemory = createMemory();
  readonly trace = new Trace({ mode: 'store' });
  readonly delivered: Delivered[] = [];
  readonly faults: FaultReport[] = [];
  readonly remapping: InterruptRemapping;

  constructor(options: InterruptBenchOptions = {}) {
    const { isExtended = true, size = 15, table = TABLE, cacheEntries = 0 } = options;
    this.remapping = new InterruptRemapping({
      memory: this.memory,
      limits: unitLimits(decodeCapability(profileWith(options.flags ?? {}, options.haw))),
      faults: { record: (report) => this.faults.push({ ...report }) },
      sink: {
        deliver: (high, low, data) => {
          this.delivered.push({ address: bigOf(high, low), data });
        },
      },
      trace: this.trace,
      source: this.trace.source('dmar0'),
      cacheEntries,
    });
    this.remapping.latchTable(Math.floor(table / 2 ** 32), table >>> 0, size, isExtended);
    this.remapping.setEnabled(options.isEnabled ?? true);
    this.remapping.setCompatibilityFormat(options.isCompatibilityPassed ?? false);
  }

  /** Writes an entry of the table as raw words. */
  setEntry(index: number, words: Uint32Array, table = TABLE): void {
    this.memory.writeWords(table + index * 16, words);
  }

  /** A remappable request; with a subhandle, SHV=1. */
  request(handle: number, subhandle?: number, rid = SID): CompletionStatus {
    const { address, data } = remappableMessage(handle, subhandle);
    return this.remapping.remap(rid, 0, address, data);
  }

  setDescriptor(
    values: Parameters<typeof PostedInterruptDescriptor.encode>[0],
    address = DESCRIPTOR,
  ): void {
    this.memory.writeWords(address, PostedInterruptDescriptor.encode(values));
  }

  descriptor(address = DESCRIPTOR): ReturnType<typeof PostedInterruptDescriptor.decode> {
    const words = new Uint32Array(PostedInterruptDescriptor.words);
    this.memory.readWords(address, words);
    return PostedInterruptDescriptor.decode(words);
  }
}

/** The lab profile with some one-bit capabilities changed. */
export function profileWith(flags: Readonly<Record<string, boolean>>, haw = 46): CapabilityProfile {
  let { cap, ecap } = DEFAULT_PROFILE;
  for (const [name, isSet] of Object.entries(flags)) {
    const inCap = CAP_REG.fields.find((f) => f.name === name);
    const mask = 1n << BigInt((inCap ?? ECAP_REG.field(name as never)).low);
    if (inCap === undefined) {
      ecap = isSet ? ecap | mask : ecap & ~mask;
    } else {
      cap = isSet ? cap | mask : cap & ~mask;
    }
  }
  return { ...DEFAULT_PROFILE, cap, ecap, haw };
}

type RemappedValues = Parameters<typeof RemappedInterruptEntry.encode>[0];
type PostedValues = Parameters<typeof PostedInterruptEntry.encode>[0];

const SOURCE_CHECK = { SVT: 1, SQ: 0, SID } as const;

export function remappedEntry(values: RemappedValues = {}): Uint32Array {
  return RemappedInterruptEntry.encode({ P: 1, V: 0x41, DST: 3, ...SOURCE_CHECK, ...values });
}

export function xapicEntry(values: RemappedValues = {}): Uint32Array {
  return RemappedInterruptEntryXapic.encode({ P: 1, V: 0x41, DST: 3, ...SOURCE_CHECK, ...values });
}

export function postedEntry(values: PostedValues = {}): Uint32Array {
  return PostedInterruptEntry.encode({
    P: 1,
    IM: 1,
    VV: 0x51,
    PDA: BigInt(DESCRIPTOR),
    ...SOURCE_CHECK,
    ...values,
  });
}

export function withBit(words: Uint32Array, bit: number): Uint32Array {
  const copy = words.slice();
  copy[bit >>> 5] = (copy[bit >>> 5]! | (1 << (bit & 31))) >>> 0;
  return copy;
}
