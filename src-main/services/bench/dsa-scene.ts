/**
 * An accelerator whose work queues are ADIs of as many owners: each dedicated queue has a PASID, and behind it second-stage
 * tables and pages of its own. Set up by registers alone, without software that would take part in what is measured.
 */
import { invariant } from '../../bits/invariant.ts';
import { bigOf } from '../../bits/u64.ts';
import { OFFSETS } from '../../spec/dsa/capability-registers.ts';
import { COMMAND as DSA_COMMAND } from '../../spec/dsa/commands.ts';
import { CMD, CMDSTATUS } from '../../spec/dsa/general-registers.ts';
import { GroupConfig } from '../../spec/dsa/group-config.ts';
import { MoveDescriptor } from '../../spec/dsa/operation-descriptors.ts';
import { OPCODE } from '../../spec/dsa/operations.ts';
import { WQ_PORTALS_SHIFT } from '../../spec/dsa/portals.ts';
import { STATUS } from '../../spec/dsa/status-codes.ts';
import { WQ_MODE, WqConfig } from '../../spec/dsa/wq-config.ts';
import { ATS_CONTROL, AtsCapability } from '../../spec/pcie/ats.ts';
import { COMMAND } from '../../spec/pcie/config-header.ts';
import { FIRST_EXTENDED_OFFSET } from '../../spec/pcie/capability-id.ts';
import { PASID_CONTROL, PasidCapability } from '../../spec/pcie/pasid.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';
import {
  DEFAULT_IOMMU_CACHES,
  MachineHardware,
  type HardwarePort,
  type IommuCacheConfig,
  type Machine,
} from '../../sim/index.ts';
import { PAGE, PagingTables, SECOND_STAGE } from './paging-tables.ts';
import { RID, WalkScene } from './walk-scene.ts';

const BAR0 = 0x10;
const BAR2 = 0x18;
const TABLE_UNIT = 0x100;
const WQ_CONFIG_BYTES = 32;
const SMALLEST_QUEUE = 16;
const WQS_PER_GROUP = 256;
const GROUPS = 4;
const ENGINES = 4;
const READ_BUFFERS = 96;
const MOVED_BYTES = 64;
/** Descriptors that wait at a time, over all queues. */
export const IN_FLIGHT = 64;

/** Addresses in the space of every owner: three pages, as drivers use. */
const SOURCE = 0x10_0000;
const DESTINATION = 0x20_0000;
const RECORD = 0x30_0000;
const OWNER_PAGES = [SOURCE, DESTINATION, RECORD];

/** Entries of each queue: its share of what waits. */
function queueEntries(adis: number): number {
  return Math.max(SMALLEST_QUEUE, Math.ceil(IN_FLIGHT / adis));
}

function cachesOf(entries: number): IommuCacheConfig {
  return {
    context: entries,
    pasid: entries,
    iotlb: entries,
    pagingStructure: entries,
    interruptEntry: 0,
  };
}

export interface DsaSceneOptions {
  readonly adis: number;
  /** Entries of every cache on the way; those of a real unit and device when absent. */
  readonly cacheEntries?: number;
  readonly traceRecords?: number;
}

export class DsaScene {
  readonly #scene: WalkScene;
  readonly #hw: MachineHardware;
  readonly #adis: number;
  readonly #registers: number;
  readonly #portals: number;
  /** Host address of the completion record of each owner. */
  readonly #records: readonly number[];
  readonly #descriptor = MoveDescriptor.encode({
    opcode: OPCODE.memoryMove,
    recordAddressValid: 1,
    requestRecord: 1,
    recordAddress: BigInt(RECORD),
    source: BigInt(SOURCE),
    destination: BigInt(DESTINATION),
    size: MOVED_BYTES,
  });
  #next = 0;

  constructor({ adis, cacheEntries, traceRecords = 0 }: DsaSceneOptions) {
    this.#adis = adis;
    this.#scene = new WalkScene({
      traceRecords,
      caches: cacheEntries === undefined ? DEFAULT_IOMMU_CACHES : cachesOf(cacheEntries),
      devices: [
        {
          kind: 'dsa',
          name: 'dsa0',
          bdf: formatBdf(RID),
          options: {
            wqs: adis,
            groups: GROUPS,
            engines: ENGINES,
            readBuffers: READ_BUFFERS,
            totalWqSize: adis * queueEntries(adis),
            ...(cacheEntries === undefined ? {} : { atcEntries: cacheEntries }),
          },
        },
      ],
    });
    this.#hw = new MachineHardware(this.#scene.machine);
    this.#registers = this.#barAddress(BAR0);
    this.#portals = this.#barAddress(BAR2);
    this.#records = Array.from({ length: adis }, (_, adi) => this.#createOwner(adi));
    this.#enableFunction();
    this.#configureGroups();
    this.#configureQueues();
    this.#command(DSA_COMMAND.enableDevice, 0);
    for (let wq = 0; wq < adis; wq++) {
      this.#command(DSA_COMMAND.enableWq, wq);
    }
  }

  get machine(): Machine {
    return this.#scene.machine;
  }

  /** Writes a descriptor to the portal of the next ADI. */
  submit(hw: HardwarePort): void {
    hw.movdir64b(0, this.#portals + this.#next * 2 ** WQ_PORTALS_SHIFT, this.#descriptor);
    this.#next = this.#next + 1 < this.#adis ? this.#next + 1 : 0;
  }

  /** Moves in rounds over the ADIs until so many are complete. */
  move(descriptors: number): void {
    const { queue } = this.machine;
    for (let done = 0; done < descriptors; done += IN_FLIGHT) {
      for (let i = 0; i < IN_FLIGHT; i++) {
        this.submit(this.#hw);
      }
      while (queue.runNext(Number.POSITIVE_INFINITY));
    }
  }

  /** Owners whose last completion record tells of success; their records are cleared. */
  takeSuccesses(): number {
    const { memory } = this.#scene;
    return this.#records.filter((record) => {
      const status = memory.read32(record) & 0xff;
      memory.write32(record, 0);
      return status === STATUS.success;
    }).length;
  }

  /** Pages and PASID of one owner. Gives the host address of its completion record. */
  #createOwner(adi: number): number {
    const { space } = this.#scene;
    const tables = new PagingTables(space, SECOND_STAGE);
    const pages = OWNER_PAGES.map((page) => {
      const host = space.allocate();
      tables.map(page, host);
      return host;
    });
    const owner = adi + 1;
    this.#scene.bind(owner, {
      type: 'secondStage',
      secondStage: tables.root,
      domain: owner,
    });
    return pages[OWNER_PAGES.indexOf(RECORD)] ?? PAGE;
  }

  #barAddress(at: number): number {
    const word = (offset: number): number => this.#hw.configRead(RID, offset, 4);
    return Number(bigOf(word(at + 4), word(at)) & ~0xfn);
  }

  #enableFunction(): void {
    const hw = this.#hw;
    const pasid = this.#findExtended(PasidCapability.id) + PASID_CONTROL.offset;
    const ats = this.#findExtended(AtsCapability.id) + ATS_CONTROL.offset;
    hw.configWrite(RID, pasid, 2, PASID_CONTROL.encode({ ENABLE: 1 })[0] ?? 0);
    hw.configWrite(RID, ats, 2, ATS_CONTROL.encode({ ENABLE: 1 })[0] ?? 0);
    hw.configWrite(RID, COMMAND.offset, 2, COMMAND.encode({ MSE: 1, BME: 1 })[0] ?? 0);
  }

  #findExtended(id: number): number {
    let at = FIRST_EXTENDED_OFFSET;
    for (;;) {
      const header = this.#hw.configRead(RID, at, 4);
      if ((header & 0xffff) === id) {
        return at;
      }
      at = header >>> 20;
      invariant(at !== 0, `The accelerator has no capability ${id}`);
    }
  }

  /** Every engine works: all of them for one group, or one for each when queues need more than one group. */
  #configureGroups(): void {
    const base = this.#table('groupConfig');
    const groups = Math.ceil(this.#adis / WQS_PER_GROUP);
    for (let group = 0; group < groups; group++) {
      const queues = Math.min(WQS_PER_GROUP, this.#adis - group * WQS_PER_GROUP);
      const engines = groups === 1 ? 2 ** ENGINES - 1 : 2 ** group;
      this.#writeWords(
        base + group * GroupConfig.bytes,
        GroupConfig.encode({
          wqs: (1n << BigInt(queues)) - 1n,
          engines: BigInt(engines),
          readBuffersAllowed: READ_BUFFERS / groups,
          readBuffersReserved: groups === 1 ? 0 : READ_BUFFERS / groups,
          window: group,
        }),
      );
    }
  }

  #configureQueues(): void {
    const base = this.#table('wqConfig');
    for (let wq = 0; wq < this.#adis; wq++) {
      const entry = WqConfig.encode({
        size: queueEntries(this.#adis),
        threshold: queueEntries(this.#adis),
        mode: WQ_MODE.dedicated,
        priority: 1,
        maxTransferShift: 21,
        maxBatchShift: 5,
        pasidEnable: 1,
        pasid: wq + 1,
      });
      this.#writeWords(base + wq * WQ_CONFIG_BYTES, entry.subarray(0, WQ_CONFIG_BYTES / 4));
    }
  }

  #command(code: number, wq: number): void {
    const { queue } = this.#scene.machine;
    const words = CMD.encode({ code, operand: wq % 256, indexHigh: Math.floor(wq / 256) });
    this.#writeWords(this.#registers + CMD.offset, words);
    while (queue.runNext(Number.POSITIVE_INFINITY));
    const status = CMDSTATUS.decode([this.#read32(this.#registers + CMDSTATUS.offset)]);
    invariant(status.active === 0 && status.error === 0, `Command ${code} failed: ${status.error}`);
  }

  /** Address of a table, from OFFSETS. */
  #table(name: 'groupConfig' | 'wqConfig'): number {
    const at = this.#registers + OFFSETS.offset;
    const words = Array.from({ length: OFFSETS.bytes / 4 }, (_, i) => this.#read32(at + i * 4));
    return this.#registers + OFFSETS.decode(words)[name] * TABLE_UNIT;
  }

  #read32(address: number): number {
    return Number(this.#hw.mmioRead(address, 4));
  }

  #writeWords(address: number, words: Uint32Array): void {
    words.forEach((word, i) => {
      this.#hw.mmioWrite(address + i * 4, 4, BigInt(word));
    });
  }
}
