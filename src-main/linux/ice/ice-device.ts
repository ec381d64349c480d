/**
 * One network adapter as its host driver holds it: the pool of queue pairs, each an ADI with a context that only the host
 * writes freely and a doorbell page that can be lent. Registers as Linux drivers/net/ethernet/intel/ice uses them; the
 * context is written directly, because the adapter of this lab has no admin queue.
 */
import {
  DOORBELL_PAGE_BYTES,
  NIC_CAPS,
  NIC_TABLES,
  Q_CONTROL,
  Q_PASID,
  Q_RESET,
  Q_VECTOR,
  MAC_ADDRESS,
  QUEUE_CONTEXT_BYTES,
  TABLE_UNIT_BYTES,
} from '../../spec/nic/registers.ts';
import type { Core } from '../core/core.ts';
import type { ImsDomain } from '../irq/ims.ts';
import { DeviceRegisters } from '../pci/device-registers.ts';
import type { PciDev } from '../pci/pci-dev.ts';

export class IceQueuePair {
  readonly index: number;
  readonly name: string;
  /** Its context. */
  readonly registers: DeviceRegisters;
  /** Physical address of its doorbell page. */
  readonly doorbell: number;
  /** UUID of the virtual device that has it. */
  owner: string | null = null;
  pasid: number | null = null;
  readonly #core: Core;
  readonly #key: string;

  constructor(options: {
    readonly core: Core;
    readonly dev: PciDev;
    readonly index: number;
    readonly registers: DeviceRegisters;
    readonly doorbell: number;
  }) {
    this.#core = options.core;
    this.index = options.index;
    this.name = `qp${options.index}`;
    this.registers = options.registers;
    this.doorbell = options.doorbell;
    this.#key = `ice/${options.dev.name}/${this.name}`;
  }

  /** Locally administered, and no other queue pair of the adapter has it. First byte lowest. */
  get mac(): bigint {
    return 0x02n | (BigInt(this.index >>> 8) << 32n) | (BigInt(this.index & 0xff) << 40n);
  }

  /** PASID of everything that the two rings do; null stops them from doing anything under a name of their own. */
  setPasid(pasid: number | null): void {
    this.pasid = pasid;
    this.registers.write(Q_PASID, { PASID: pasid ?? 0, VALID: Number(pasid !== null) });
    this.publish();
  }

  /** Entry of the interrupt message storage, null for none. */
  setVector(index: number | null): void {
    this.registers.write(Q_VECTOR, {
      INDEX: index ?? 0,
      IMS: Number(index !== null),
      VALID: Number(index !== null),
    });
  }

  setAddress(isValid: boolean): void {
    this.registers.write(MAC_ADDRESS, { ADDRESS: this.mac, VALID: Number(isValid) });
  }

  /** Both rings off. What is under way is forgotten. */
  stop(): void {
    this.registers.write(Q_CONTROL, {});
  }

  /** PASID, vector and address survive. */
  reset(): void {
    this.registers.write(Q_RESET, { START: 1 });
  }

  publish(): void {
    this.#core.publish(this.#key, { owner: this.owner, pasid: this.pasid });
  }

  unpublish(): void {
    this.#core.publish(this.#key, undefined);
  }
}

export class IceDevice {
  readonly dev: PciDev;
  readonly name: string;
  readonly registers: DeviceRegisters;
  readonly pairs: readonly IceQueuePair[];
  readonly imsEntries: number;
  readonly imsTable: number;
  ims: ImsDomain | null = null;

  constructor(
    core: Core,
    dev: PciDev,
    bars: { readonly registers: number; readonly doorbells: number },
  ) {
    this.dev = dev;
    this.name = `ice-${dev.name}`;
    this.registers = new DeviceRegisters(core, bars.registers);
    const caps = this.registers.read(NIC_CAPS);
    const tables = this.registers.read(NIC_TABLES);
    this.imsEntries = caps.IMS;
    this.imsTable = tables.IMS * TABLE_UNIT_BYTES;
    const contexts = bars.registers + tables.CONTEXTS * TABLE_UNIT_BYTES;
    this.pairs = Array.from(
      { length: caps.QUEUES },
      (_, index) =>
        new IceQueuePair({
          core,
          dev,
          index,
          registers: new DeviceRegisters(core, contexts + index * QUEUE_CONTEXT_BYTES),
          doorbell: bars.doorbells + index * DOORBELL_PAGE_BYTES,
        }),
    );
  }

  /** Queue pairs that nobody has. */
  get free(): readonly IceQueuePair[] {
    return this.pairs.filter((pair) => pair.owner === null);
  }
}
