/**
 * One crypto and compression accelerator as its host driver holds it: ring pairs, each an ADI in a bank of registers, and the
 * services that they are for. Registers as Linux drivers/crypto/intel/qat has them.
 */
import {
  BANKS_OFFSET,
  IMS_OFFSET,
  RING_PAIR_PASID,
  RING_PAIR_RESET,
  RING_PAIR_RESET_STATUS,
  RING_PAIR_VECTOR,
} from '../../spec/qat/registers.ts';
import { ImsEntry } from '../../spec/dsa/interrupt-entries.ts';
import type { Core } from '../core/core.ts';
import { EBUSY, EINVAL } from '../errno.ts';
import type { ImsDomain } from '../irq/ims.ts';
import { DeviceRegisters } from '../pci/device-registers.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import { hasPagesOfItsOwn, probeBankBytes } from './bank-layout.ts';
import { DEFAULT_SERVICES, parseServices, serviceOf, type QatService } from './services.ts';

export class QatRingPair {
  readonly index: number;
  readonly name: string;
  /** First half of its bank: what a request touches. Physical address. */
  readonly fast: number;
  /** Second half: configuration. */
  readonly config: DeviceRegisters;
  /** UUID of the virtual device that has it. */
  owner: string | null = null;
  pasid: number | null = null;
  readonly #core: Core;
  readonly #device: QatDevice;

  constructor(core: Core, device: QatDevice, index: number) {
    this.#core = core;
    this.#device = device;
    this.index = index;
    this.name = `rp${index}`;
    this.fast = device.registers.base + BANKS_OFFSET + index * device.bankBytes;
    this.config = new DeviceRegisters(core, this.fast + device.bankBytes / 2);
  }

  /** Whether the page with its fast registers holds nothing of anybody else. */
  get isPageItsOwn(): boolean {
    return hasPagesOfItsOwn(this.#device.bankBytes);
  }

  get service(): QatService {
    return serviceOf(this.#device.services, this.index);
  }

  /** PASID of every request, null for none. */
  setPasid(pasid: number | null): void {
    this.pasid = pasid;
    this.config.write(RING_PAIR_PASID, { PASID: pasid ?? 0, VALID: Number(pasid !== null) });
    this.publish();
  }

  /** Entry of the interrupt message storage; null for the MSI-X entry that it has after reset. */
  setVector(index: number | null): void {
    this.config.write(RING_PAIR_VECTOR, {
      INDEX: index ?? this.index,
      IMS: Number(index !== null),
    });
  }

  /** Rings, indexes and interrupts as after power-on; PASID and vector stay. */
  reset(): void {
    this.config.write(RING_PAIR_RESET, { START: 1 });
    const isDone = (): boolean => this.config.read(RING_PAIR_RESET_STATUS).DONE === 1;
    if (!this.#core.waitFor(isDone, this.#core.params.poll_timeout_ns)) {
      this.#core.warn(`${this.#device.name}: ring pair ${this.index} reset timeout`);
    }
    this.config.write(RING_PAIR_RESET_STATUS, { DONE: 1 });
  }

  publish(): void {
    this.#core.publish(this.#key, { owner: this.owner, service: this.service, pasid: this.pasid });
  }

  unpublish(): void {
    this.#core.publish(this.#key, undefined);
  }

  get #key(): string {
    return `qat/${this.#device.dev.name}/${this.name}`;
  }
}

export class QatDevice {
  readonly dev: PciDev;
  readonly name: string;
  readonly registers: DeviceRegisters;
  /** From one bank to the next. */
  readonly bankBytes: number;
  readonly pairs: readonly QatRingPair[];
  readonly imsTable = IMS_OFFSET;
  readonly imsEntries: number;
  ims: ImsDomain | null = null;
  services: readonly QatService[] = parseServices(DEFAULT_SERVICES) ?? [];

  /** @param ringPairs one for each MSI-X entry but the last */
  constructor(core: Core, dev: PciDev, bar: number, ringPairs: number) {
    this.dev = dev;
    this.name = `qat-${dev.name}`;
    this.registers = new DeviceRegisters(core, bar);
    this.imsEntries = this.#countImsEntries();
    this.bankBytes = probeBankBytes(this.registers);
    this.pairs = Array.from(
      { length: ringPairs },
      (_, index) => new QatRingPair(core, this, index),
    );
  }

  /** Ring pairs of a service that nobody has. */
  free(service: QatService): readonly QatRingPair[] {
    return this.pairs.filter((pair) => pair.owner === null && pair.service === service);
  }

  /** `cfg_services`: what ring pairs are for; not while somebody has one. */
  configure(text: string): number {
    const services = parseServices(text);
    if (services === undefined) {
      return -EINVAL;
    }
    if (this.pairs.some((pair) => pair.owner !== null)) {
      return -EBUSY;
    }
    this.services = services;
    this.pairs.forEach((pair) => pair.publish());
    return 0;
  }

  /** No register tells how many entries there are, but each one that exists has an interrupt address. */
  #countImsEntries(): number {
    let low = 0;
    let high = (BANKS_OFFSET - IMS_OFFSET) / ImsEntry.bytes;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [address] = this.registers.words(IMS_OFFSET + middle * ImsEntry.bytes, 1);
      if (address === 0) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
