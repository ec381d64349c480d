/** Registers of a remapping unit that follows global commands and consumes its invalidation queue at once. */
import {
  CAPABILITY_PROFILES,
  DEFAULT_PROFILE,
  decodeCapability,
  type IommuCapability,
} from '../../src-main/spec/vtd/capability-profile.ts';
import { descriptorType, queueDescriptor } from '../../src-main/spec/vtd/descriptors.ts';
import { InvalidationWait } from '../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { FSTS_REG } from '../../src-main/spec/vtd/registers/fault.ts';
import { GCMD_REG, GSTS_REG } from '../../src-main/spec/vtd/registers/global-command.ts';
import { IQA_REG, IQH_REG, IQT_REG } from '../../src-main/spec/vtd/registers/invalidation-queue.ts';
import type { HardwarePort } from '../../src-main/sim/hardware-port.ts';
import { PLATFORM } from '../../src-main/sim/hardware-port.ts';
import type { IommuConfig } from '../../src-main/sim/machine-config.ts';

export interface ConsumedDescriptor {
  readonly name: string;
  readonly words: readonly number[];
  readonly values: Readonly<Record<string, number | bigint>>;
}

/** `pass`: executed; the others stop the queue with the error. */
export type QueueVerdict = 'pass' | 'queue-error' | 'time-out' | 'silence';

const ONE_SHOT = 0x6900_0000;
const QH_MASK = 0x7_fff0;

export class FakeIommu {
  readonly capability: IommuCapability;
  readonly consumed: ConsumedDescriptor[] = [];
  /** Order of global commands and of writes to the registers, by name. */
  readonly log: string[] = [];
  /** What becomes of each descriptor. */
  verdict: (descriptor: ConsumedDescriptor) => QueueVerdict = () => 'pass';
  readonly #hw: Pick<HardwarePort, 'memoryRead' | 'memoryWrite'>;
  readonly #registers = new DataView(new ArrayBuffer(PLATFORM.iommuBytes));

  constructor(hw: Pick<HardwarePort, 'memoryRead' | 'memoryWrite'>, config: IommuConfig) {
    this.#hw = hw;
    const profile = CAPABILITY_PROFILES.find((p) => p.name === config.profile) ?? DEFAULT_PROFILE;
    this.capability = decodeCapability({
      ...profile,
      cap: config.cap === undefined ? profile.cap : BigInt(config.cap),
      ecap: config.ecap === undefined ? profile.ecap : BigInt(config.ecap),
    });
    const { registers } = this.capability;
    this.#registers.setUint32(0x00, registers.version, true);
    this.#registers.setBigUint64(0x08, registers.cap, true);
    this.#registers.setBigUint64(0x10, registers.ecap, true);
  }

  covers(address: number): boolean {
    return address >= PLATFORM.iommuBase && address < PLATFORM.iommuBase + PLATFORM.iommuBytes;
  }

  read(address: number, bytes: number): bigint {
    const offset = address - PLATFORM.iommuBase;
    return bytes === 8
      ? this.#registers.getBigUint64(offset, true)
      : BigInt(this.#registers.getUint32(offset, true));
  }

  write(address: number, bytes: number, value: bigint): void {
    const offset = address - PLATFORM.iommuBase;
    if (offset === GCMD_REG.offset) {
      this.#command(Number(value));
      return;
    }
    if (offset === FSTS_REG.offset) {
      const cleared = this.#registers.getUint32(offset, true) & ~(Number(value) & 0x71);
      this.#registers.setUint32(offset, cleared, true);
      this.#run();
      return;
    }
    this.log.push(`write ${offset.toString(16)}`);
    if (bytes === 8) {
      this.#registers.setBigUint64(offset, value, true);
    } else {
      this.#registers.setUint32(offset, Number(value), true);
    }
    if (offset === IQT_REG.offset) {
      this.#run();
    }
  }

  poke32(offset: number, value: number): void {
    this.#registers.setUint32(offset, value, true);
  }

  peek64(offset: number): bigint {
    return this.#registers.getBigUint64(offset, true);
  }

  /** Descriptors consumed since the last call. */
  take(): readonly ConsumedDescriptor[] {
    return this.consumed.splice(0);
  }

  #command(value: number): void {
    const status = this.#registers.getUint32(GSTS_REG.offset, true);
    const names = GCMD_REG.fields.filter(
      (f) => f.spec.role === 'value' && ((value ^ (status & ~ONE_SHOT)) >>> f.low) & 1,
    );
    this.log.push(...names.map((f) => f.name));
    this.#registers.setUint32(
      GSTS_REG.offset,
      ((value & ~ONE_SHOT) | (status & ONE_SHOT) | (value & ONE_SHOT)) >>> 0,
      true,
    );
    this.#run();
  }

  #run(): void {
    const status = GSTS_REG.decode([this.#registers.getUint32(GSTS_REG.offset, true)]);
    if (status.QIES === 0) {
      return;
    }
    const iqa = this.peek64(IQA_REG.offset);
    const isWide = (iqa & 0x800n) !== 0n;
    const slot = isWide ? 32 : 16;
    const queueBytes = 4096 * 2 ** Number(iqa & 7n);
    const base = Number(iqa & ~0xfffn);
    for (;;) {
      const errors = FSTS_REG.decode([this.#registers.getUint32(FSTS_REG.offset, true)]);
      const head = this.#registers.getUint32(IQH_REG.offset, true) & QH_MASK;
      if (head === (this.#registers.getUint32(IQT_REG.offset, true) & QH_MASK)) {
        return;
      }
      if (errors.IQE === 1 || errors.ITE === 1 || !this.#execute(base + head, slot)) {
        return;
      }
      this.#registers.setUint32(IQH_REG.offset, (head + slot) % queueBytes, true);
    }
  }

  /** False when the queue stops here. */
  #execute(address: number, bytes: number): boolean {
    const view = new DataView(this.#hw.memoryRead(address, bytes).slice().buffer);
    const words = Array.from({ length: bytes / 4 }, (_, i) => view.getUint32(i * 4, true));
    const descriptor = queueDescriptor(descriptorType(words));
    const consumed = {
      name: descriptor?.name ?? 'unknown',
      words,
      values: descriptor?.decode(words) ?? {},
    };
    const verdict = descriptor === undefined ? 'queue-error' : this.verdict(consumed);
    if (verdict !== 'pass') {
      const bit = { 'queue-error': 0x10, 'time-out': 0x40, silence: 0 }[verdict];
      this.poke32(FSTS_REG.offset, this.#registers.getUint32(FSTS_REG.offset, true) | bit);
      return false;
    }
    this.consumed.push(consumed);
    if (descriptor?.name === InvalidationWait.name) {
      const wait = InvalidationWait.decode(words);
      if (wait.SW === 1) {
        const data = new Uint8Array(4);
        new DataView(data.buffer).setUint32(0, wait.STATUS_DATA, true);
        this.#hw.memoryWrite(Number(wait.STATUS_ADDR), data);
      }
    }
    return true;
  }
}
