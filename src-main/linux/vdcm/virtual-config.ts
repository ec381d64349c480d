/**
 * Configuration space of a VDEV, played by its VDCM: the layout is the device's, the access rules are the same for all.
 * Accesses are of 1, 2 or 4 bytes and aligned. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 */
import type { RegisterBlock } from '../../bits/register-block.ts';
import { accessProblem, RegisterFile, type RegisterWrite } from '../../sim/index.ts';
import { EINVAL } from '../errno.ts';

export interface VirtualConfigHooks {
  /** Bus master enable went from 1 to 0. */
  onBusMasterCleared(): void;
  /** The guest asked for a function level reset. */
  onFunctionReset(): void;
}

export const CONFIG_BYTES = 4096;
const LARGEST_ACCESS = 4;

export class VirtualConfig {
  readonly #file: RegisterFile;
  readonly #hooks: VirtualConfigHooks;

  constructor(block: RegisterBlock, hooks: VirtualConfigHooks) {
    this.#hooks = hooks;
    this.#file = new RegisterFile(block, CONFIG_BYTES, {
      onDidWrite: (write) => this.#didWrite(write),
    });
  }

  get isBusMaster(): boolean {
    return this.#file.get('COMMAND', 'BME') === 1;
  }

  get isPasidEnabled(): boolean {
    return this.#file.get('PASID_CONTROL', 'ENABLE') === 1;
  }

  get isPrivilegedEnabled(): boolean {
    return this.#file.get('PASID_CONTROL', 'PRIV') === 1;
  }

  get isAtsEnabled(): boolean {
    return this.#file.get('ATS_CONTROL', 'ENABLE') === 1;
  }

  get isPriEnabled(): boolean {
    return this.#file.get('PRI_CONTROL', 'ENABLE') === 1;
  }

  /** -EINVAL for an access that configuration space does not take. */
  read(offset: number, bytes: number): bigint | number {
    return this.#isRefused(offset, bytes) ? -EINVAL : this.#file.read(offset, bytes as 1 | 2 | 4);
  }

  write(offset: number, bytes: number, value: bigint): number {
    if (this.#isRefused(offset, bytes)) {
      return -EINVAL;
    }
    this.#file.write(offset, bytes as 1 | 2 | 4, value);
    return 0;
  }

  reset(): void {
    this.#file.reset();
  }

  /** Contents for a saved state. */
  save(): Uint32Array {
    return this.#file.snapshot();
  }

  load(words: Uint32Array): void {
    this.#file.restore(words);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from(
      { length: count },
      (_, i) => (this.#file.peek32(i & ~3) >>> ((i & 3) * 8)) & 0xff,
    );
  }

  #isRefused(offset: number, bytes: number): boolean {
    return (
      offset < 0 ||
      offset + bytes > CONFIG_BYTES ||
      ![1, 2, 4].includes(bytes) ||
      accessProblem(offset, bytes, LARGEST_ACCESS) !== undefined
    );
  }

  #didWrite({ register, before, written, after }: RegisterWrite): void {
    if (register.name === 'COMMAND') {
      const wasMaster = register.get(before, register.field('BME')) === 1n;
      const isMaster = register.get(after, register.field('BME')) === 1n;
      if (wasMaster && !isMaster) {
        this.#hooks.onBusMasterCleared();
      }
    }
    if (
      register.name === 'EXP_DEVICE_CONTROL' &&
      register.get(written, register.field('IFLR')) === 1n
    ) {
      this.#hooks.onFunctionReset();
    }
  }
}
