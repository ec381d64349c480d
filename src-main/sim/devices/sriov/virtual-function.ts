/**
 * One virtual function: configuration space, Requester ID, MSI-X table and function level reset of its own, over resources
 * that the physical function lends it. PCIe Base, "Single Root I/O Virtualization".
 *
 * Its BARs are a slice of the window that the physical function's VF BARs describe. PASID is not offered: a virtual function
 * is separated by its Requester ID.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { AriCapability } from '../../../spec/pcie/ari.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { MsiXCapability } from '../../../spec/pcie/msi-x.ts';
import type { Trace } from '../../core/trace.ts';
import type { ResetKind, UpstreamPort } from '../../pcie/ports.ts';
import { EndpointFunction } from '../shared/endpoint-function.ts';
import { Endpoint, type EndpointState } from '../shared/endpoint.ts';

const ATC_ENTRIES = 64;
/** What the identifier registers of a virtual function read as. */
const NO_ID = 0xffff;

/** The shape that all virtual functions of one physical function share. */
export interface VirtualFunctionShape {
  readonly barBytes: number;
  readonly msixEntries: number;
  readonly msixTable: number;
  readonly msixPba: number;
  readonly classCode: number;
}

/** What is behind the BAR of one virtual function. */
export interface VirtualFunctionRegisters {
  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint;
  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;
  reset(): void;
}

/** Tables lie behind BAR0 of the virtual function. */
export function virtualConfigSpace(shape: Omit<VirtualFunctionShape, 'barBytes'>): RegisterBlock {
  return configSpace({
    name: 'VF_CONFIG',
    header: {
      vendorId: NO_ID,
      deviceId: NO_ID,
      classCode: shape.classCode,
      isVirtualFunction: true,
    },
    capabilities: [
      placeCapability(ExpressCapability, 0x40),
      placeCapability(MsiXCapability, 0x80, {
        control: { SIZE: shape.msixEntries - 1 },
        table: { BIR: 0, OFFSET: BigInt(shape.msixTable) },
        pba: { BIR: 0, OFFSET: BigInt(shape.msixPba) },
      }),
      placeCapability(AriCapability, 0x100),
      placeCapability(AtsCapability, 0x110, { capability: { GLOBAL: 1 } }),
    ],
  });
}

export interface VirtualFunctionOptions {
  readonly name: string;
  /** From 1. */
  readonly number: number;
  readonly rid: number;
  readonly shape: VirtualFunctionShape;
  readonly block: RegisterBlock;
  readonly port: UpstreamPort;
  readonly trace: Trace;
  /** Address of the slice, 0 while the physical function keeps memory space of its virtual functions off. */
  readonly addressOf: (number: number) => number;
}

export class VirtualFunction extends EndpointFunction<EndpointState> {
  readonly name: string;
  readonly number: number;
  readonly rid: number;
  readonly barBytes: readonly number[];
  /** Its state is part of the physical function's. */
  readonly isVirtual = true;
  readonly endpoint: Endpoint;
  /** Set by the device model right after construction. */
  registers: VirtualFunctionRegisters | undefined;
  readonly #addressOf: (number: number) => number;

  constructor(options: VirtualFunctionOptions) {
    super();
    const { name, number, rid, shape, block, port, trace } = options;
    this.name = name;
    this.number = number;
    this.rid = rid;
    this.barBytes = [shape.barBytes, 0, 0, 0, 0, 0];
    this.#addressOf = options.addressOf;
    this.endpoint = new Endpoint({
      name,
      block,
      barBytes: this.barBytes,
      port,
      trace,
      msixEntries: shape.msixEntries,
      imsEntries: 0,
      atcEntries: ATC_ENTRIES,
      onFunctionLevelReset: () => {
        this.reset('function-level');
      },
    });
  }

  barAddress(bar: number): number {
    return bar === 0 ? this.#addressOf(this.number) : 0;
  }

  mmioRead(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return this.registers?.read(offset, bytes) ?? 0n;
  }

  mmioWrite(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    this.registers?.write(offset, bytes, value);
  }

  reset(kind: ResetKind): void {
    this.endpoint.reset(kind);
    this.registers?.reset();
  }

  snapshot(): EndpointState {
    return this.endpoint.snapshot();
  }

  restore(state: EndpointState): void {
    this.endpoint.restore(state);
  }
}
