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
import { OPERATIONS } from '../../../spec/dsa/operations.ts';
import type { FunctionHost, ResetKind } from '../../pcie/ports.ts';
import type { SriovSettings } from '../sriov/sriov-settings.ts';
import { SriovCapability, sriovPlacement } from '../sriov/sriov-capability.ts';
import { virtualConfigSpace } from '../sriov/virtual-function.ts';
import { DSA_CLASS_CODE, dsaConfigSpace } from './config-space.ts';
import { settingsOf, type DsaConfig, type DsaSettings } from './config.ts';
import { DsaFunction, type DsaFunctionOptions } from './dsa-function.ts';
import type { DsaState } from './state.ts';

const SRIOV_OFFSET = 0x280;
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
  /** All that could be, by number; the first ones exist. */
  readonly #vfs: readonly DsaVirtualFunction[];
  readonly #capability: SriovCapability<DsaVirtualFunction>;

  constructor(options: DsaFunctionOptions, host: FunctionHost) {
    const settings = settingsOf(options.config);
    const sriov = settings.sriov as SriovSettings;
    const dataPath = { freeNs: 0 };
    const { queue, trace, port } = options;
    super({
      ...options,
      dataPath,
      configBlock: dsaConfigSpace(settings, port.rid & DEVFN_FUNCTION_MASK, [
        sriovPlacement(SRIOV_OFFSET, sriov),
      ]),
      onConfigWrite: (write) => {
        this.#capability.onDidWrite(write);
      },
    });
    const config = virtualConfig(options.config, settings);
    const own = settingsOf(config);
    const block = virtualConfigSpace({
      msixEntries: own.msixEntries,
      msixTable: own.places.msixTable,
      msixPba: own.places.msixPba,
      classCode: DSA_CLASS_CODE,
    });
    this.#vfs = Array.from({ length: sriov.totalVfs }, (_, i) => {
      const name = `${options.name}-vf${i}`;
      const ownPort = host.portOf(port.rid + sriov.firstOffset + i * sriov.stride);
      return new DsaVirtualFunction(
        { name, config, port: ownPort, queue, trace, configBlock: block, dataPath },
        i + 1,
        (number, bar) => this.#capability.addressOf(number, bar),
      );
    });
    this.#capability = new SriovCapability({
      ...{ settings: sriov, host, trace },
      registers: this.inspect.configRegisters,
      rid: port.rid,
      source: trace.source(options.name),
      vfBarBytes: this.#vfs[0]?.barBytes ?? [],
      create: (number) => this.#vfs[number - 1] as DsaVirtualFunction,
      onDidRemove: (vf) => {
        vf.reset('power-on');
      },
    });
  }

  /** Virtual functions that exist, in the order of their numbers. */
  get virtualFunctions(): readonly DsaVirtualFunction[] {
    return this.#capability.functions;
  }

  /** Bytes of one virtual function's slice of a BAR under the system page size. */
  apertureBytes(bar: number): number {
    return this.#capability.apertureBytes(bar);
  }

  override reset(kind: ResetKind): void {
    this.#capability.removeAll();
    super.reset(kind);
    this.#capability.initBars();
  }

  override snapshot(): DsaState {
    return { ...super.snapshot(), vfs: this.#vfs.map((vf) => vf.snapshot()) };
  }

  override restore(state: DsaState): void {
    super.restore(state);
    this.#capability.restore();
    this.#vfs.forEach((vf, i) => {
      const saved = state.vfs?.[i];
      if (saved !== undefined) {
        vf.restore(saved);
      }
    });
  }
}
