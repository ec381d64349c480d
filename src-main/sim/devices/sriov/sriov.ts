/**
 * The SR-IOV capability of a physical function: creates its virtual functions when software sets VF Enable and removes them
 * when it clears it. PCIe Base, "SR-IOV Extended Capability".
 *
 * One 64-bit VF BAR (BAR0). A virtual function whose Requester ID is taken, or lies on a bus above the last one of the port,
 * does not come into being. ARI Capable Hierarchy is stored; integrated endpoints have no port that would have to forward.
 * Not modelled: VF migration, VF BARs 2 to 5, resizable VF BARs, the waiting time after VF Enable.
 */
import {
  SRIOV_WRITE_IGNORED,
  VF_UNREACHABLE,
  VFS_DISABLED,
  VFS_ENABLED,
} from '../../../spec/events/sriov.ts';
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { placeCapability, type CapabilityPlacement } from '../../../spec/pcie/capability.ts';
import { busOf } from '../../../spec/pcie/requester-id.ts';
import { SrIovCapability } from '../../../spec/pcie/sr-iov.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import type { FunctionHost } from '../../pcie/ports.ts';
import type { Endpoint, EndpointState } from '../shared/endpoint.ts';
import type { SriovSettings } from './sriov-settings.ts';
import {
  VirtualFunction,
  virtualConfigSpace,
  type VirtualFunctionShape,
} from './virtual-function.ts';

/** 64-bit, prefetchable, memory. */
const BAR_TYPE = 0xc;
const PAGE_SHIFT = 12;
/** Pages of 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB, 4 MiB, as the base specification demands. */
const PAGE_SIZES = 0x553;
const VF_ENABLE = 1;
const VF_MEMORY_ENABLE = 8;

export function sriovPlacement(offset: number, settings: SriovSettings): CapabilityPlacement {
  return placeCapability(SrIovCapability, offset, {
    initialVfs: { VALUE: settings.totalVfs },
    totalVfs: { VALUE: settings.totalVfs },
    firstVfOffset: { VALUE: settings.firstOffset },
    vfStride: { VALUE: settings.stride },
    vfDeviceId: { VALUE: settings.vfDeviceId },
    supportedPageSizes: { SIZES: PAGE_SIZES },
    vfBar0: { VALUE: BAR_TYPE },
  });
}

export interface SriovOptions {
  readonly settings: SriovSettings;
  readonly physical: Endpoint;
  readonly host: FunctionHost;
  readonly shape: VirtualFunctionShape;
  readonly trace: Trace;
  /** A virtual function was made: the device lends it resources. */
  readonly onDidAdd: (vf: VirtualFunction) => void;
  /** It is gone: the device takes them back. */
  readonly onDidRemove: (vf: VirtualFunction) => void;
}

export interface SriovState {
  readonly vfs: readonly {
    readonly number: number;
    readonly rid: number;
    readonly state: EndpointState;
  }[];
}

export class Sriov implements Snapshotable<SriovState> {
  readonly #options: SriovOptions;
  readonly #block: RegisterBlock;
  #vfs: readonly VirtualFunction[] = [];

  constructor(options: SriovOptions) {
    this.#options = options;
    this.#block = virtualConfigSpace(options.shape);
  }

  /** Those that exist, in the order of their numbers. */
  get functions(): readonly VirtualFunction[] {
    return this.#vfs;
  }

  get isEnabled(): boolean {
    return (this.#control & VF_ENABLE) !== 0;
  }

  /** Bytes of one virtual function's BAR0 slice under the system page size. */
  get apertureBytes(): number {
    const page = this.#config.get('SRIOV_SYSTEM_PAGE_SIZE', 'SIZE') * 2 ** PAGE_SHIFT;
    return Math.max(this.#options.shape.barBytes, page);
  }

  /** To be called from the physical function's configuration space. */
  onDidWrite(write: RegisterWrite): void {
    const { name } = write.register;
    if (name === 'SRIOV_CONTROL') {
      this.#onControl((write.before[0] ?? 0) ^ (write.after[0] ?? 0));
    } else if (name === 'SRIOV_NUM_VFS') {
      this.#keepUnless(write, (value) => value <= this.#options.settings.totalVfs);
    } else if (name === 'SRIOV_SYSTEM_PAGE_SIZE') {
      this.#keepUnless(
        write,
        (value) => (value & PAGE_SIZES) !== 0 && Number.isInteger(Math.log2(value)),
      );
    } else if (name.startsWith('SRIOV_VF_BAR')) {
      this.#fixBar(write);
      this.#options.host.barsMoved();
    }
  }

  /** All virtual functions go: reset of the physical function. */
  reset(): void {
    this.#removeAll();
  }

  snapshot(): SriovState {
    return {
      vfs: this.#vfs.map((vf) => ({ number: vf.number, rid: vf.rid, state: vf.snapshot() })),
    };
  }

  /** The configuration space of the physical function must be restored before. */
  restore({ vfs }: SriovState): void {
    const wanted = new Set(vfs.map((v) => v.rid));
    for (const vf of this.#vfs) {
      if (!wanted.has(vf.rid)) {
        this.#options.host.remove(vf.rid);
        this.#options.onDidRemove(vf);
      }
    }
    this.#vfs = vfs.map(({ number, rid, state }) => {
      const vf = this.#vfs.find((v) => v.rid === rid) ?? this.#add(number, rid);
      vf.restore(state);
      return vf;
    });
    this.#options.host.barsMoved();
  }

  get #config(): Endpoint['config'] {
    return this.#options.physical.config;
  }

  get #control(): number {
    const { registers } = this.#config;
    return registers.wordsOf(registers.register('SRIOV_CONTROL'))[0] ?? 0;
  }

  #onControl(changed: number): void {
    if ((changed & VF_ENABLE) !== 0) {
      if (this.isEnabled) {
        this.#addAll();
      } else {
        this.#removeAll();
      }
    }
    if ((changed & VF_MEMORY_ENABLE) !== 0) {
      this.#options.host.barsMoved();
    }
  }

  #addAll(): void {
    const { settings, physical, host, trace } = this.#options;
    const { rid: pfRid } = physical.port;
    const count = this.#config.get('SRIOV_NUM_VFS', 'VALUE');
    const lastBus = settings.subordinateBus ?? busOf(pfRid);
    const vfs: VirtualFunction[] = [];
    for (let number = 1; number <= count; number++) {
      const rid = pfRid + settings.firstOffset + (number - 1) * settings.stride;
      if (busOf(rid) > lastBus || host.find(rid) !== undefined) {
        trace.record(VF_UNREACHABLE, physical.source, number, rid);
      } else {
        vfs.push(this.#add(number, rid));
      }
    }
    this.#vfs = vfs;
    trace.record(
      VFS_ENABLED,
      physical.source,
      vfs.length,
      pfRid + settings.firstOffset,
      settings.stride,
    );
  }

  #add(number: number, rid: number): VirtualFunction {
    const { physical, host, shape, trace, onDidAdd } = this.#options;
    const vf = new VirtualFunction({
      name: `${physical.name}-vf${number - 1}`,
      number,
      rid,
      shape,
      block: this.#block,
      port: host.portOf(rid),
      trace,
      addressOf: (n) => this.#addressOf(n),
    });
    host.add(rid, vf);
    onDidAdd(vf);
    return vf;
  }

  #removeAll(): void {
    const { host, trace, physical, onDidRemove } = this.#options;
    for (const vf of this.#vfs) {
      host.remove(vf.rid);
      onDidRemove(vf);
    }
    if (this.#vfs.length > 0) {
      trace.record(VFS_DISABLED, physical.source, this.#vfs.length);
    }
    this.#vfs = [];
  }

  /** 0: the virtual functions do not answer at their BARs. */
  #addressOf(number: number): number {
    const { registers } = this.#config;
    const at = registers.register('SRIOV_VF_BAR0').offset;
    const base = registers.peek32(at + 4) * 2 ** 32 + ((registers.peek32(at) & ~0xf) >>> 0);
    const isOn = (this.#control & VF_MEMORY_ENABLE) !== 0 && base !== 0;
    return isOn ? base + (number - 1) * this.apertureBytes : 0;
  }

  /** Bits below the aperture cannot be written; BARs 2 to 5 do not exist. */
  #fixBar({ register, after }: RegisterWrite): void {
    const index = Number(register.name.slice('SRIOV_VF_BAR'.length));
    if (index === 1) {
      return;
    }
    const low = (((after[0] ?? 0) & ~(this.apertureBytes - 1)) | BAR_TYPE) >>> 0;
    this.#config.registers.poke32(register.offset, index === 0 ? low : 0);
  }

  /** Puts the old value back when virtual functions exist or the new one is none of the allowed. */
  #keepUnless({ register, before, after }: RegisterWrite, isAllowed: (v: number) => boolean): void {
    const value = after[0] ?? 0;
    if (!this.isEnabled && isAllowed(value)) {
      return;
    }
    const [field] = register.fields.filter((f) => f.spec.role === 'value');
    this.#config.set(register.name, field?.name ?? '', before[0] ?? 0);
    if (value !== before[0]) {
      const { trace, physical } = this.#options;
      trace.record(SRIOV_WRITE_IGNORED, physical.source, register.title, value);
    }
  }
}
