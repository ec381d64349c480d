/**
 * The same accelerator virtualised by SR-IOV, to compare with Scalable IOV: a physical function with virtual functions, each
 * with configuration space, Requester ID, BAR slices, MSI-X table and function level reset of its own. PCIe Base, "SR-IOV
 * Extended Capability"; DSA 3.0 for what is behind the registers. No such product exists.
 *
 * The partition is fixed, as in silicon: every virtual function has one dedicated work queue and one engine whether it is
 * used or not. It is told apart by its Requester ID, so it has no PASID, and two of them cannot share a queue. All functions
 * share the data path of the device.
 *
 * Not modelled: ARI forwarding, VF migration, page requests of virtual functions, the waiting time after VF Enable.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { AriCapability } from '../../../spec/pcie/ari.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import { busOf } from '../../../spec/pcie/requester-id.ts';
import {
  SRIOV_WRITE_IGNORED,
  VFS_DISABLED,
  VFS_ENABLED,
  VF_UNREACHABLE,
} from '../../../spec/events/sriov.ts';
import { OPERATIONS } from '../../../spec/dsa/operations.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { FunctionHost, ResetKind } from '../../pcie/ports.ts';
import type { SriovSettings } from '../sriov/sriov-settings.ts';
import { sriovPlacement } from '../sriov/sriov.ts';
import { DSA_BAR, DSA_CLASS_CODE, dsaConfigSpace } from './config-space.ts';
import { settingsOf, type DsaConfig, type DsaSettings } from './config.ts';
import { DsaFunction, type DsaFunctionOptions } from './dsa-function.ts';
import type { DsaState } from './state.ts';

const SRIOV_OFFSET = 0x280;
const NO_ID = 0xffff;
const BAR_TYPE = 0xc;
const PAGE_SHIFT = 12;
const PAGE_SIZES = 0x553;
const VF_ENABLE = 1;
const VF_MEMORY_ENABLE = 8;
const DEVFN_FUNCTION_MASK = 7;

/** One queue, one engine, no PASID: what the hardware sets aside for a virtual function. */
function virtualConfig(config: DsaConfig, settings: DsaSettings): DsaConfig {
  return {
    profile: config.profile ?? 'v1',
    wqs: 1,
    groups: 1,
    engines: 1,
    totalWqSize: settings.vfWqSize,
    readBuffers: Math.max(4, Math.floor(settings.readBuffers / (settings.sriov?.totalVfs ?? 1))),
    msixEntries: settings.vfMsixEntries,
    imsEntries: 0,
    interDomainEntries: 0,
    modes: 'dedicated',
    withoutOperations: OPERATIONS.filter((o) => o.isInterDomain).map((o) => o.code),
  };
}

function virtualConfigSpace(settings: DsaSettings): RegisterBlock {
  return configSpace({
    name: 'DSA_VF_CONFIG',
    header: {
      vendorId: NO_ID,
      deviceId: NO_ID,
      classCode: DSA_CLASS_CODE,
      isVirtualFunction: true,
    },
    capabilities: [
      placeCapability(ExpressCapability, 0x40),
      placeCapability(MsiXCapability, 0x80, {
        control: { SIZE: settings.msixEntries - 1 },
        table: { BIR: DSA_BAR.registers, OFFSET: BigInt(settings.places.msixTable) },
        pba: { BIR: DSA_BAR.registers, OFFSET: BigInt(settings.places.msixPba) },
      }),
      placeCapability(AriCapability, 0x100),
      placeCapability(AtsCapability, 0x110, { capability: { GLOBAL: 1 } }),
    ],
  });
}

/** One virtual function. It exists for software only while VF Enable is 1. */
export class DsaVirtualFunction extends DsaFunction {
  /** Its state is part of the physical function's. */
  readonly isVirtual = true;
  /** From 1. */
  readonly number: number;
  readonly rid: number;
  readonly #addressOf: (number: number, bar: number) => number;

  constructor(
    options: DsaFunctionOptions,
    number: number,
    addressOf: (number: number, bar: number) => number,
  ) {
    super(options);
    this.number = number;
    this.rid = options.port.rid;
    this.#addressOf = addressOf;
  }

  barAddress(bar: number): number {
    return this.#addressOf(this.number, bar);
  }
}

export class SriovDsa extends DsaFunction {
  readonly #host: FunctionHost;
  readonly #options: DsaFunctionOptions;
  readonly #sriov: SriovSettings;
  readonly #source: number;
  /** All that could be, by number; the first ones exist. */
  readonly #vfs: readonly DsaVirtualFunction[];
  #present: readonly DsaVirtualFunction[] = [];

  constructor(options: DsaFunctionOptions, host: FunctionHost) {
    const settings = settingsOf(options.config);
    const sriov = settings.sriov as SriovSettings;
    const dataPath = { freeNs: 0 };
    super({
      ...options,
      dataPath,
      configBlock: dsaConfigSpace(settings, options.port.rid & DEVFN_FUNCTION_MASK, [
        sriovPlacement(SRIOV_OFFSET, sriov),
      ]),
      onConfigWrite: (write) => {
        this.#onConfigWrite(write);
      },
    });
    this.#host = host;
    this.#options = options;
    this.#sriov = sriov;
    this.#source = options.trace.source(options.name);
    const config = virtualConfig(options.config, settings);
    const block = virtualConfigSpace(settingsOf(config));
    this.#vfs = Array.from({ length: sriov.totalVfs }, (_, i) => {
      const port = host.portOf(options.port.rid + sriov.firstOffset + i * sriov.stride);
      const { queue, trace } = options;
      return new DsaVirtualFunction(
        {
          name: `${options.name}-vf${i}`,
          config,
          port,
          queue,
          trace,
          configBlock: block,
          dataPath,
        },
        i + 1,
        (number, bar) => this.#addressOf(number, bar),
      );
    });
    this.#initVfBars();
  }

  /** Virtual functions that exist, in the order of their numbers. */
  get virtualFunctions(): readonly DsaVirtualFunction[] {
    return this.#present;
  }

  /** Bytes of one virtual function's slice of a BAR under the system page size. */
  apertureBytes(bar: number): number {
    const page =
      this.inspect.configRegisters.get('SRIOV_SYSTEM_PAGE_SIZE', 'SIZE') * 2 ** PAGE_SHIFT;
    return Math.max(this.#vfs[0]?.barBytes[bar] ?? 0, page);
  }

  override reset(kind: ResetKind): void {
    this.#removeAll();
    super.reset(kind);
    this.#initVfBars();
  }

  override snapshot(): DsaState {
    return { ...super.snapshot(), vfs: this.#vfs.map((vf) => vf.snapshot()) };
  }

  override restore(state: DsaState): void {
    super.restore(state);
    this.#vfs.forEach((vf, i) => {
      const saved = state.vfs?.[i];
      if (saved !== undefined) {
        vf.restore(saved);
      }
    });
    this.#present.forEach((vf) => {
      this.#host.remove(vf.rid);
    });
    this.#present = this.#isEnabled ? this.#reachable() : [];
    this.#present.forEach((vf) => {
      this.#host.add(vf.rid, vf);
    });
    this.#host.barsMoved();
  }

  get #control(): number {
    const registers = this.inspect.configRegisters;
    return registers.wordsOf(registers.register('SRIOV_CONTROL'))[0] ?? 0;
  }

  get #isEnabled(): boolean {
    return (this.#control & VF_ENABLE) !== 0;
  }

  #onConfigWrite(write: RegisterWrite): void {
    const { name } = write.register;
    if (name === 'SRIOV_CONTROL') {
      this.#onControl((write.before[0] ?? 0) ^ (write.after[0] ?? 0));
    } else if (name === 'SRIOV_NUM_VFS') {
      this.#keepUnless(write, (value) => value <= this.#sriov.totalVfs);
    } else if (name === 'SRIOV_SYSTEM_PAGE_SIZE') {
      this.#keepUnless(
        write,
        (value) => (value & PAGE_SIZES) !== 0 && Number.isInteger(Math.log2(value)),
      );
    } else if (name.startsWith('SRIOV_VF_BAR')) {
      this.#fixBar(Number(name.slice('SRIOV_VF_BAR'.length)));
      this.#host.barsMoved();
    }
  }

  #onControl(changed: number): void {
    if ((changed & VF_ENABLE) !== 0) {
      if (this.#isEnabled) {
        this.#addAll();
      } else {
        this.#removeAll();
      }
    }
    if ((changed & VF_MEMORY_ENABLE) !== 0) {
      this.#host.barsMoved();
    }
  }

  #addAll(): void {
    const { trace } = this.#options;
    const wanted = this.inspect.configRegisters.get('SRIOV_NUM_VFS', 'VALUE');
    this.#present = this.#reachable();
    this.#vfs.slice(0, wanted).forEach((vf) => {
      if (!this.#present.includes(vf)) {
        trace.record(VF_UNREACHABLE, this.#source, vf.number, vf.rid);
      }
    });
    this.#present.forEach((vf) => {
      this.#host.add(vf.rid, vf);
    });
    const first = this.#options.port.rid + this.#sriov.firstOffset;
    trace.record(VFS_ENABLED, this.#source, this.#present.length, first, this.#sriov.stride);
  }

  /** Those of the wanted number whose Requester ID is free and on a bus that the port has. */
  #reachable(): readonly DsaVirtualFunction[] {
    const wanted = this.inspect.configRegisters.get('SRIOV_NUM_VFS', 'VALUE');
    const lastBus = this.#sriov.subordinateBus ?? busOf(this.#options.port.rid);
    return this.#vfs
      .slice(0, wanted)
      .filter((vf) => busOf(vf.rid) <= lastBus && this.#host.find(vf.rid) === undefined);
  }

  #removeAll(): void {
    const gone = this.#present;
    this.#present = [];
    gone.forEach((vf) => {
      this.#host.remove(vf.rid);
      vf.reset('power-on');
    });
    if (gone.length > 0) {
      this.#options.trace.record(VFS_DISABLED, this.#source, gone.length);
    }
  }

  /** 0 while virtual functions do not answer at their BARs. */
  #addressOf(number: number, bar: number): number {
    const registers = this.inspect.configRegisters;
    const isOn = (this.#control & VF_MEMORY_ENABLE) !== 0;
    if (!isOn || (bar !== DSA_BAR.registers && bar !== DSA_BAR.portals)) {
      return 0;
    }
    const at = registers.register(`SRIOV_VF_BAR${bar}`).offset;
    const base = registers.peek32(at + 4) * 2 ** 32 + ((registers.peek32(at) & ~0xf) >>> 0);
    return base === 0 ? 0 : base + (number - 1) * this.apertureBytes(bar);
  }

  #initVfBars(): void {
    [0, 2, 4, 5].forEach((index) => {
      this.#fixBar(index);
    });
  }

  /** Bits below the aperture cannot be written; BARs 4 and 5 do not exist; 1 and 3 are upper halves. */
  #fixBar(index: number): void {
    const registers = this.inspect.configRegisters;
    const { offset } = registers.register(`SRIOV_VF_BAR${index}`);
    if (index === DSA_BAR.registers || index === DSA_BAR.portals) {
      const low = (registers.peek32(offset) & ~(this.apertureBytes(index) - 1)) | BAR_TYPE;
      registers.poke32(offset, low >>> 0);
    } else if (index > DSA_BAR.portals + 1) {
      registers.poke32(offset, 0);
    }
  }

  /** Puts the old value back while virtual functions exist, or when the new one is not allowed. */
  #keepUnless(
    { register, before, after }: RegisterWrite,
    isAllowed: (value: number) => boolean,
  ): void {
    const value = after[0] ?? 0;
    if (!this.#isEnabled && isAllowed(value)) {
      return;
    }
    const [field] = register.fields.filter((f) => f.spec.role === 'value');
    this.inspect.configRegisters.set(register.name, field?.name ?? '', before[0] ?? 0);
    if (value !== before[0]) {
      this.#options.trace.record(SRIOV_WRITE_IGNORED, this.#source, register.title, value);
    }
  }
}
