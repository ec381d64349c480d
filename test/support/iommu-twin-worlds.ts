/**
 * Two machines that software treats alike: one with small caches, one without any. Software here changes tables and issues
 * what VT-d 5.10 section 6.5.3.3 (table 28) demands; as long as it does, nobody can tell the machines apart.
 */
import { bigOf } from '../../src-main/bits/u64.ts';
import { ACCESS } from '../../src-main/sim/iommu/first-stage-walk.ts';
import type { IommuCacheConfig } from '../../src-main/sim/machine-config.ts';
import { AW } from '../../src-main/spec/vtd/address-width.ts';
import {
  ContextCacheInvalidate,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import { InvalidationWait } from '../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { PGTT } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../src-main/spec/vtd/registers/register-invalidation.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { HIGH_RAM_BASE, IommuBench, NO_CACHES, STATUS_WORD } from './iommu-bench.ts';
import { IommuTables } from './iommu-tables.ts';

/** So small that entries are replaced all the time. */
export const SMALL_CACHES: IommuCacheConfig = {
  context: 4,
  pasid: 4,
  iotlb: 8,
  pagingStructure: 8,
  interruptEntry: 4,
};

export const RIDS = [0x0318, 0x0420] as const;
/** PASID 2 and 4 share a domain and its tables. */
export const TENANTS = [
  { pasid: 1, did: 1, walk: 'first' },
  { pasid: 2, did: 2, walk: 'second' },
  { pasid: 3, did: 3, walk: 'nested' },
  { pasid: 4, did: 2, walk: 'second' },
] as const;
/** Two neighbours, one with another level-1 table, one with another level-3 table. */
export const PAGES = [0x4000_0000n, 0x4000_1000n, 0x4020_0000n, 0x7f00_0000_0000n] as const;

const FIRST_TABLE = 0x7n;
const RIGHTS = 0x3n;
const TABLES = 0x10_0000;
const GUEST_TABLE_PAGES = 48;
const NESTED_OUTPUTS = 8;

export interface Access {
  readonly rid: number;
  readonly tenant: number;
  readonly page: number;
  readonly isWrite: boolean;
}

/** Leaf of a page: which frame, which rights (bit 0 read or user, bit 1 write), or nothing. */
export interface LeafChange {
  readonly tenant: number;
  readonly page: number;
  readonly frame: number;
  readonly rights: number;
}

export type EntryChange = 'absent' | 'present' | 'write-protect' | 'snoop';

class World {
  readonly bench: IommuBench;
  readonly tables: IommuTables;
  readonly directory: number;
  /** First-stage table of a tenant, second-stage table of a domain. */
  readonly firstTops = new Map<number, number>();
  readonly secondTops = new Map<number, number>();

  constructor(caches: IommuCacheConfig) {
    this.bench = new IommuBench({ caches });
    const { bench } = this;
    this.tables = new IommuTables(bench.memory, TABLES);
    this.directory = this.tables.page();
    for (const { pasid, did, walk } of TENANTS) {
      if (walk !== 'second') {
        this.firstTops.set(pasid, this.tables.page());
      }
      if (walk !== 'first' && !this.secondTops.has(did)) {
        this.secondTops.set(did, this.tables.page());
      }
    }
    this.#mapNested();
    for (const { pasid } of TENANTS) {
      this.setEntry(pasid, {});
    }
    for (const rid of RIDS) {
      this.setContext(rid, true);
    }
    bench.setRoot(this.tables.root, TTM.scalable);
    bench.startQueue({ size: 2 });
    bench.command('TE');
  }

  setContext(rid: number, isEnabled: boolean): void {
    this.tables.setContext(rid, {
      P: isEnabled ? 1 : 0,
      PASIDE: 1,
      PASIDDIRPTR: BigInt(this.directory),
      RID_PASID: 9,
    });
  }

  setEntry(pasid: number, values: Parameters<IommuTables['setPasidEntry']>[2]): void {
    const tenant = TENANTS.find((t) => t.pasid === pasid);
    const { did = 0, walk = 'first' } = tenant ?? {};
    const usesFirst = walk !== 'second';
    const usesSecond = walk !== 'first';
    this.tables.setPasidEntry(this.directory, pasid, {
      PGTT: { first: PGTT.firstStage, second: PGTT.secondStage, nested: PGTT.nested }[walk],
      DID: did,
      PWSNP: 1,
      ...(usesFirst ? { FSPTPTR: BigInt(this.firstTops.get(pasid) ?? 0) } : {}),
      ...(usesSecond ? { SSPTPTR: BigInt(this.secondTops.get(did) ?? 0), AW: AW.bits48 } : {}),
      ...values,
    });
  }

  /** Nested tables lie where they are; the second stage maps them and the frames to themselves. */
  #mapNested(): void {
    const second = this.secondTops.get(3) ?? 0;
    const options = { leaf: RIGHTS, table: RIGHTS };
    for (let i = 0; i < GUEST_TABLE_PAGES; i++) {
      const page = BigInt(TABLES + i * 4096);
      this.tables.map(second, 4, page, page, options);
    }
    for (let i = 0; i < NESTED_OUTPUTS; i++) {
      const frame = frameAddress(i);
      this.tables.map(second, 4, frame, frame, options);
    }
  }

  /** Table that holds the leaves of a tenant's pages. */
  topOf(tenant: number): { readonly top: number; readonly isFirst: boolean } {
    const { pasid, did, walk } = TENANTS[tenant] as (typeof TENANTS)[number];
    return walk === 'second'
      ? { top: this.secondTops.get(did) ?? 0, isFirst: false }
      : { top: this.firstTops.get(pasid) ?? 0, isFirst: true };
  }

  /** True when a leaf was there before. */
  setLeaf({ tenant, page, frame, rights }: LeafChange): boolean {
    const { top, isFirst } = this.topOf(tenant);
    const input = PAGES[page] as bigint;
    const before = this.#leafValue(top, input);
    const leaf = isFirst ? (rights === 0 ? 0n : leafOfFirst(rights)) : BigInt(rights);
    this.tables.map(top, 4, input, leaf === 0n ? 0n : frameAddress(frame), {
      leaf,
      table: isFirst ? FIRST_TABLE : RIGHTS,
    });
    return before !== 0n;
  }

  #leafValue(top: number, input: bigint): bigint {
    const { memory } = this.bench;
    let at = top;
    for (let level = 4; level > 1; level--) {
      const index = Number((input >> BigInt(12 + (level - 1) * 9)) & 511n);
      const entry = memory.read64(at + index * 8);
      if (entry === 0n) {
        return 0n;
      }
      at = Number(entry & 0x000f_ffff_ffff_f000n);
    }
    return memory.read64(at + Number((input >> 12n) & 511n) * 8);
  }

  /** Puts a copy of the last table of a page in its place, with one leaf changed. */
  moveTable(change: LeafChange): void {
    const { top, isFirst } = this.topOf(change.tenant);
    const input = PAGES[change.page] as bigint;
    this.setLeaf(change);
    const { memory } = this.bench;
    const at = this.tables.entryOf(top, 4, input, 2);
    const from = Number(memory.read64(at) & 0x000f_ffff_ffff_f000n);
    const to = this.tables.page();
    memory.writeBytes(to, memory.readBytes(from, 4096));
    memory.writeBytes(from, new Uint8Array(4096));
    memory.write64(at, BigInt(to) | (isFirst ? FIRST_TABLE : RIGHTS));
  }
}

function leafOfFirst(rights: number): bigint {
  return 1n | ((rights & 2) !== 0 ? 2n : 0n) | ((rights & 1) !== 0 ? 4n : 0n);
}

function frameAddress(frame: number): bigint {
  return BigInt(HIGH_RAM_BASE + frame * 4096);
}

export interface Seen {
  readonly status: number;
  readonly reason: number;
  readonly hpa: bigint;
}

export class TwinWorlds {
  readonly cached: World;
  readonly plain: World;

  constructor(caches = SMALL_CACHES) {
    this.cached = new World(caches);
    this.plain = new World(NO_CACHES);
  }

  access(access: Access): readonly [cached: Seen, plain: Seen] {
    return [see(this.cached, access), see(this.plain, access)];
  }

  /** Changes a leaf; `invalidates: false` is the mistake that software must not make. */
  setLeaf(change: LeafChange, invalidates = true): void {
    const wasPresent = this.#both((world) => world.setLeaf(change));
    if (wasPresent && invalidates) {
      this.invalidatePage(change.tenant, change.page, 0, 1);
    }
  }

  moveTable(change: LeafChange): void {
    this.#both((world) => world.moveTable(change));
    this.invalidatePage(change.tenant, change.page, 9, 0);
  }

  changeEntry(tenant: number, change: EntryChange): void {
    const { pasid, did, walk } = TENANTS[tenant] as (typeof TENANTS)[number];
    const values = {
      absent: { P: 0 },
      present: {},
      'write-protect': { WPE: 1 },
      snoop: { PGSNP: 1 },
    }[change];
    this.#both((world) => world.setEntry(pasid, values));
    const entry = PasidCacheInvalidate.encode({
      G: PASID_CACHE_GRANULARITY.pasid,
      DID: did,
      PASID: pasid,
    });
    const byPasid = PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.pasid,
      DID: did,
      PASID: pasid,
    });
    const byDomain = IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID: did });
    this.#submit(entry, change === 'absent' && walk !== 'first' ? byDomain : byPasid);
  }

  changeContext(rid: number, isPresent: boolean): void {
    this.#both((world) => world.setContext(rid, isPresent));
    const domains = [1, 2, 3];
    this.#submit(
      ContextCacheInvalidate.encode({ G: CONTEXT_GRANULARITY.device, SID: rid }),
      ...domains.map((DID) =>
        PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.domain, DID }),
      ),
      ...domains.map((DID) => IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID })),
    );
  }

  /** First-stage tables: by PASID; second-stage tables: by domain. */
  invalidatePage(tenant: number, page: number, AM: number, IH: number): void {
    const { pasid, did, walk } = TENANTS[tenant] as (typeof TENANTS)[number];
    const ADDR = PAGES[page] as bigint;
    this.#submit(
      walk === 'second'
        ? IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.page, DID: did, ADDR, AM, IH })
        : PasidIotlbInvalidate.encode({
            G: PASID_IOTLB_GRANULARITY.page,
            DID: did,
            PASID: pasid,
            ADDR,
            AM,
            IH,
          }),
    );
  }

  #submit(...descriptors: readonly Uint32Array[]): void {
    const wait = InvalidationWait.encode({
      SW: 1,
      STATUS_DATA: 1,
      STATUS_ADDR: BigInt(STATUS_WORD),
    });
    this.#both((world) => {
      world.bench.submit(...descriptors, wait);
      return world.bench.field('FSTS_REG', 'IQE');
    });
  }

  #both<T>(act: (world: World) => T): T {
    act(this.plain);
    return act(this.cached);
  }
}

function see(world: World, { rid, tenant, page, isWrite }: Access): Seen {
  const { pasid } = TENANTS[tenant] as (typeof TENANTS)[number];
  const { status, answer } = world.bench.request({
    rid: RIDS[rid] as number,
    pasid,
    address: PAGES[page] as bigint,
    kind: isWrite ? ACCESS.write : ACCESS.read,
  });
  return { status, reason: answer.reason, hpa: bigOf(answer.high, answer.low) };
}
