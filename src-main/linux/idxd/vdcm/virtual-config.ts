/**
 * Configuration space of a VDEV: a root complex integrated endpoint that the VDCM plays. devices.md 3.1.
 *
 * The Scalable IOV DVSEC has its content at 130h with IMS cleared, but no pointer leads there: a guest finds no Scalable IOV
 * in its device. Accesses are of 1, 2 or 4 bytes and aligned.
 */
import {
  defineRegisterBlock,
  refineRegister,
  type RegisterBlock,
} from '../../../bits/register-block.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { INTERRUPT_LINE } from '../../../spec/pcie/config-header.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { PageRequestCapability } from '../../../spec/pcie/page-request.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import { accessProblem, RegisterFile, type RegisterWrite } from '../../../sim/index.ts';
import { EINVAL } from '../../errno.ts';
import { VDEV } from './places.ts';

export interface VirtualConfigOptions {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly classCode: number;
  readonly pasid: { readonly width: number; readonly hasPrivileged: boolean };
  /** Bus master enable went from 1 to 0. */
  onBusMasterCleared(): void;
  /** The guest asked for a function level reset. */
  onFunctionReset(): void;
}

const CONFIG_BYTES = 4096;
const LARGEST_ACCESS = 4;
const PLACES = {
  msix: 0x40,
  express: 0x50,
  ats: 0x100,
  pri: 0x110,
  pasid: 0x120,
  dvsec: 0x130,
} as const;
const SUBSYSTEM = { vendor: 0x8086, device: 0x2010 } as const;

function declare(options: VirtualConfigOptions): RegisterBlock {
  const { vendorId, deviceId, classCode, pasid } = options;
  const space = configSpace({
    name: 'VDEV_CONFIG',
    header: {
      vendorId,
      deviceId,
      classCode,
      subsystemVendorId: SUBSYSTEM.vendor,
      subsystemId: SUBSYSTEM.device,
      bars: [
        { index: 0, bytes: VDEV.bar0Bytes, is64Bit: true, isPrefetchable: true },
        { index: 2, bytes: VDEV.bar2Bytes, is64Bit: true, isPrefetchable: true },
      ],
    },
    capabilities: [
      placeCapability(MsiXCapability, PLACES.msix, {
        control: { SIZE: VDEV.vectors - 1 },
        table: { BIR: 0, OFFSET: BigInt(VDEV.msixTable) },
        pba: { BIR: 0, OFFSET: BigInt(VDEV.pendingBits) },
      }),
      placeCapability(ExpressCapability, PLACES.express),
      placeCapability(AtsCapability, PLACES.ats, { capability: { DEPTH: 1, GLOBAL: 1 } }),
      placeCapability(PageRequestCapability, PLACES.pri, {
        status: { PASIDR: 1 },
        capacity: { CAPACITY: 1 },
      }),
      placeCapability(PasidCapability, PLACES.pasid, {
        capability: { PRIV: Number(pasid.hasPrivileged), WIDTH: pasid.width },
      }),
    ],
  });
  const unlinked = placeCapability(SiovDvsec, PLACES.dvsec, { capabilities: { IMS: 0 } });
  const writableLine = refineRegister(INTERRUPT_LINE, ({ spec }) =>
    spec.role === 'value' ? { access: 'RW' } : undefined,
  );
  return defineRegisterBlock(space.name, [
    ...space.registers.map((r) => (r.name === INTERRUPT_LINE.name ? writableLine : r)),
    ...unlinked.registers(0),
  ]);
}

export class VirtualConfig {
  readonly #file: RegisterFile;
  readonly #options: VirtualConfigOptions;

  constructor(options: VirtualConfigOptions) {
    this.#options = options;
    this.#file = new RegisterFile(declare(options), CONFIG_BYTES, {
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

  /** Where the guest placed a BAR. */
  bar(index: 0 | 2): bigint {
    return this.#file.peek64(0x10 + index * 4) & ~0xfn;
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
        this.#options.onBusMasterCleared();
      }
    }
    if (
      register.name === 'EXP_DEVICE_CONTROL' &&
      register.get(written, register.field('IFLR')) === 1n
    ) {
      this.#options.onFunctionReset();
    }
  }
}
