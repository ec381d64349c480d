/**
 * Virtual functions that share the resources of their physical function, for devices over an `Endpoint`: each has one BAR,
 * and is made when it comes into being. What the capability does is in `sriov-capability.ts`.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import type { FunctionHost } from '../../pcie/ports.ts';
import type { Endpoint, EndpointState } from '../shared/endpoint.ts';
import { SriovCapability } from './sriov-capability.ts';
import type { SriovSettings } from './sriov-settings.ts';
import {
  VirtualFunction,
  virtualConfigSpace,
  type VirtualFunctionShape,
} from './virtual-function.ts';

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
  readonly #capability: SriovCapability<VirtualFunction>;

  constructor(options: SriovOptions) {
    const { settings, physical, host, shape, trace, onDidAdd, onDidRemove } = options;
    this.#options = options;
    this.#block = virtualConfigSpace(shape);
    this.#capability = new SriovCapability({
      ...{ settings, host, trace, onDidAdd, onDidRemove },
      registers: physical.config.registers,
      rid: physical.port.rid,
      source: physical.source,
      vfBarBytes: [shape.barBytes],
      create: (number, rid) => this.#create(number, rid),
    });
  }

  /** Those that exist, in the order of their numbers. */
  get functions(): readonly VirtualFunction[] {
    return this.#capability.functions;
  }

  onDidWrite(write: RegisterWrite): void {
    this.#capability.onDidWrite(write);
  }

  /** Before the configuration space of the physical function is reset. */
  removeAll(): void {
    this.#capability.removeAll();
  }

  /** After the configuration space of the physical function was reset. */
  initBars(): void {
    this.#capability.initBars();
  }

  snapshot(): SriovState {
    return {
      vfs: this.functions.map((vf) => ({
        number: vf.number,
        rid: vf.rid,
        state: vf.snapshot(),
      })),
    };
  }

  /** The configuration space of the physical function must be restored before. */
  restore({ vfs }: SriovState): void {
    this.#capability.restore();
    for (const { number, state } of vfs) {
      this.functions.find((vf) => vf.number === number)?.restore(state);
    }
  }

  #create(number: number, rid: number): VirtualFunction {
    const { physical, host, shape, trace } = this.#options;
    return new VirtualFunction({
      name: `${physical.name}-vf${number - 1}`,
      number,
      rid,
      shape,
      block: this.#block,
      port: host.portOf(rid),
      trace,
      addressOf: (n) => this.#capability.addressOf(n, 0),
    });
  }
}
