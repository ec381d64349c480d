/** A machine whose unit translates for one function with a PASID, its tables written by hand, without software. */
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { AW } from '../../spec/vtd/address-width.ts';
import {
  PASID_TABLE_ENTRIES,
  PasidDirectoryEntry,
  pasidDirectoryEntries,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../spec/vtd/pasid-directory-entry.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { GCMD_REG, RTADDR_REG, TTM } from '../../spec/vtd/registers/global-command.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import { invariant } from '../../bits/invariant.ts';
import { busOf } from '../../spec/pcie/requester-id.ts';
import {
  Machine,
  type DeviceConfig,
  type IommuCacheConfig,
  type PhysicalMemory,
  type RemappingUnit,
} from '../../sim/index.ts';
import { HostSpace, PAGE } from './paging-tables.ts';

const GIB = 2 ** 30;
/** Tables lie above 4 GiB, as a kernel that keeps low memory for old devices puts them. */
const FIRST_TABLE = 4 * GIB;
export const RID = 0x6a08;
const LARGEST_PDTS = 7;

export const NO_CACHES: IommuCacheConfig = {
  context: 0,
  pasid: 0,
  iotlb: 0,
  pagingStructure: 0,
  interruptEntry: 0,
};

/** What a PASID is bound to. */
export interface Binding {
  readonly type: keyof typeof PGTT;
  /** Addresses of top tables. */
  readonly firstStage?: number;
  readonly secondStage?: number;
  /** Caches tag by it, so other tables need another one. */
  readonly domain?: number;
}

export interface SceneOptions {
  readonly caches?: IommuCacheConfig;
  /** Records that the trace keeps; 0 for none. */
  readonly traceRecords?: number;
  readonly devices?: readonly DeviceConfig[];
}

export class WalkScene {
  readonly machine: Machine;
  readonly space: HostSpace;
  readonly #directory: number;

  constructor({ caches = NO_CACHES, traceRecords = 0, devices = [] }: SceneOptions = {}) {
    this.machine = new Machine({
      config: {
        name: 'bench',
        seed: 1,
        kernelProfile: 'iommufd',
        memory: { bytes: 6 * GIB },
        cpus: 1,
        iommu: { profile: 'lab', caches },
        devices,
      },
      trace: traceRecords === 0 ? { mode: 'off' } : { mode: 'store', capacity: traceRecords },
    });
    this.space = new HostSpace(this.memory, FIRST_TABLE);
    const directoryPages = (pasidDirectoryEntries(LARGEST_PDTS) * PasidDirectoryEntry.bytes) / PAGE;
    this.#directory = this.space.allocate(directoryPages);
    this.#enableTranslation(this.#rootTable());
  }

  get unit(): RemappingUnit {
    return this.machine.unit;
  }

  get memory(): PhysicalMemory {
    return this.machine.memory;
  }

  bind(pasid: number, binding: Binding): void {
    this.bindAll(pasid, 1, binding);
  }

  /** Writes the entries of `count` PASIDs from `first` on, and tables where there are none yet. */
  bindAll(
    first: number,
    count: number,
    { type, firstStage = 0, secondStage = 0, domain = 1 }: Binding,
  ): void {
    const entry = PasidTableEntry.encode({
      P: 1,
      PGTT: PGTT[type],
      AW: AW.bits48,
      SSPTPTR: BigInt(secondStage),
      FSPTPTR: BigInt(firstStage),
      DID: domain,
      PWSNP: 1,
    });
    for (let pasid = first; pasid < first + count; pasid++) {
      this.memory.writeWords(this.entryOf(pasid), entry);
    }
  }

  /** Address of the PASID table entry; makes its table when there is none. */
  entryOf(pasid: number): number {
    return this.#tableOf(pasid) + pasidTableIndex(pasid) * PasidTableEntry.bytes;
  }

  #tableOf(pasid: number): number {
    const slot = this.#directory + pasidDirectoryIndex(pasid) * PasidDirectoryEntry.bytes;
    const known = this.memory.read64(slot);
    if (known !== 0n) {
      return Number(known & ~0xfffn);
    }
    const table = this.space.allocate((PASID_TABLE_ENTRIES * PasidTableEntry.bytes) / PAGE);
    this.memory.writeWords(slot, PasidDirectoryEntry.encode({ P: 1, SMPTBLPTR: BigInt(table) }));
    return table;
  }

  #rootTable(): number {
    const root = this.space.allocate();
    const contexts = this.space.allocate();
    this.memory.writeWords(
      root + busOf(RID) * ScalableRootEntry.bytes,
      ScalableRootEntry.encode({ LP: 1, LCTP: BigInt(contexts) }),
    );
    this.memory.writeWords(
      contexts + (RID % 128) * ScalableContextEntry.bytes,
      ScalableContextEntry.encode({
        P: 1,
        PASIDE: 1,
        DTE: 1,
        PDTS: LARGEST_PDTS,
        PASIDDIRPTR: BigInt(this.#directory),
      }),
    );
    return root;
  }

  #enableTranslation(root: number): void {
    const [low = 0, high = 0] = RTADDR_REG.encode({ TTM: TTM.scalable, RTA: BigInt(root) });
    this.unit.write(RTADDR_REG.offset, 8, (BigInt(high) << 32n) | BigInt(low));
    for (const command of [{ SRTP: 1 }, { TE: 1 }]) {
      this.unit.write(GCMD_REG.offset, 4, BigInt(GCMD_REG.encode(command)[0] ?? 0));
    }
    invariant(this.unit.translation.isEnabled, 'Translation did not start');
  }
}
