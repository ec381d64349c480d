/** VMs with virtual QAT devices, and the small driver that each guest has for its own. */
import { defined } from '../../src-main/bits/invariant.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { QatVdev } from '../../src-main/linux/qat/vdcm/qat-vdev.ts';
import {
  CRYPTO_COMMAND,
  HASH_ALGORITHM,
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
  REQUEST_BYTES,
  SERVICE,
} from '../../src-main/spec/qat/messages.ts';
import {
  ARBITER_ENABLE,
  BANK_PAGE_BYTES,
  REQUEST_BASE_LOW,
  REQUEST_CONFIG,
  REQUEST_TAIL,
  RESPONSE_BASE_LOW,
  RESPONSE_CONFIG,
} from '../../src-main/spec/qat/registers.ts';
import { Kvm } from '../../src-main/vmm/kvm/kvm.ts';
import type { VfioPciDevice } from '../../src-main/vmm/qemu/vfio-pci.ts';
import { Vm } from '../../src-main/vmm/vm.ts';
import { uuidOf } from './linux-idxd.ts';
import { bootSiov, create, type SiovLab, type SiovOptions } from './linux-siov.ts';
import { bytesOf } from './qat-driver.ts';

const MIB = 2 ** 20;
/** Pages of a guest's rings and data. */
const PLACE = { requests: 0, responses: 1, text: 2, digest: 3, content: 4 } as const;
const PAGES = 5;
const DIGEST_BYTES = 32;
/** 64 << 6 = 4 KiB, 64 << 4 = 1 KiB. */
export const SIZE_CODE = { request: 6, response: 4 } as const;

export interface QatVmLab extends SiovLab {
  readonly kvm: Kvm;
}

/** All ring pairs for symmetric cryptography, so that neighbours are ring pairs of one page where pages are shared. */
export function bootQatVms(options: SiovOptions = {}): QatVmLab {
  const lab = bootSiov('qat', { memory: { bytes: 512 * MIB }, cpus: 4, ...options });
  const result = lab.kernel.sysfs.write(`${lab.dev.path}/qat/cfg_services`, 'sym');
  if (result < 0) {
    throw new Error(`cfg_services: ${result}`);
  }
  return { ...lab, kvm: new Kvm(lab.kernel) };
}

export class QatGuest {
  readonly vm: Vm;
  readonly guest: Kernel;
  readonly host: QatVdev;
  readonly plugged: VfioPciDevice;
  /** Guest-physical address of BAR0. */
  readonly bar: number;
  /** Guest-physical address of rings and data. */
  readonly memory: number;
  #requests = 0;

  constructor(lab: QatVmLab, n: number) {
    const created = create(lab, 'vqat_sym', n);
    if (created < 0) {
      throw new Error(`create: ${created}`);
    }
    this.vm = new Vm(lab.kvm, { name: `vm${n}`, memoryBytes: 40 * MIB, vcpus: 1 });
    const plugged = this.vm.plug(uuidOf(n));
    if (IS_ERR(plugged)) {
      throw new Error(`plug: ${plugged}`);
    }
    this.plugged = plugged;
    this.guest = this.vm.boot();
    const dev = defined(this.guest.pci.deviceAt(plugged.rid), 'Device in the guest');
    this.guest.pci.pci_enable_device(dev);
    this.guest.pci.pci_set_master(dev);
    this.bar = this.guest.pci.pci_resource_start(dev, 0);
    this.memory = this.guest.pages.alloc(PAGES, { owner: 'rings' });
    this.host = defined(lab.kernel.qat.vdcm.find(uuidOf(n)), 'VDEV');
  }

  /** A register of the virtual device, as the guest reaches it. */
  write(offset: number, value: number): void {
    this.guest.io.writel(value, this.bar + offset);
  }

  at(page: keyof typeof PLACE): number {
    return this.memory + PLACE[page] * BANK_PAGE_BYTES;
  }

  /** Places both rings and turns them on. */
  start(): void {
    this.write(BANK_PAGE_BYTES + REQUEST_CONFIG.offset, SIZE_CODE.request);
    this.write(BANK_PAGE_BYTES + RESPONSE_CONFIG.offset, SIZE_CODE.response);
    this.write(BANK_PAGE_BYTES + REQUEST_BASE_LOW.offset, this.at('requests'));
    this.write(BANK_PAGE_BYTES + RESPONSE_BASE_LOW.offset, this.at('responses'));
    this.write(ARBITER_ENABLE.offset, 3);
  }

  /** Writes a request for the SHA-256 of a text into the next slot. Gives the tail after it. */
  prepare(text: string): number {
    const { hw } = this.guest.core;
    hw.memoryWrite(this.at('text'), new TextEncoder().encode(text));
    hw.memoryWrite(this.at('digest'), new Uint8Array(DIGEST_BYTES));
    const header = QatContentHeader.encode({ hashAlgorithm: HASH_ALGORITHM.sha256 });
    hw.memoryWrite(this.at('content'), bytesOf(header));
    const request = QatRequest.encode({
      valid: 1,
      service: SERVICE.crypto,
      command: CRYPTO_COMMAND.auth,
      contentDescriptor: BigInt(this.at('content')),
      contentQuads: 1,
      source: BigInt(this.at('text')),
      length: text.length,
    });
    const slot = this.at('requests') + this.#requests * REQUEST_BYTES;
    hw.memoryWrite(slot, bytesOf(request));
    const parameters = QatCryptoParameters.encode({
      digest: BigInt(this.at('digest')),
      digestBytes: DIGEST_BYTES,
    });
    hw.memoryWrite(slot + REQUEST_BYTES / 2, bytesOf(parameters));
    this.#requests += 1;
    return this.#requests * REQUEST_BYTES;
  }

  /** The digest of a text, by the device. */
  hash(text: string): Uint8Array {
    this.write(REQUEST_TAIL.offset, this.prepare(text));
    this.guest.core.advance(100_000);
    return this.digest;
  }

  get digest(): Uint8Array {
    return this.guest.core.hw.memoryRead(this.at('digest'), DIGEST_BYTES);
  }
}
