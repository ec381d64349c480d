/**
 * A PCIe function with a configuration space and nothing behind it: what firmware finds in the slots of a machine that a
 * lab does not drive. Labs use it to show functions that are, or are not, capable of Scalable IOV.
 *
 * BAR 0 exists and can be placed. Its first 64 bytes keep what is written, for labs that ask who can reach it; the rest reads
 * as zero and takes nothing.
 */
import { SiovDvsec } from '../../../spec/siov/dvsec.ts';
import { AcsCapability } from '../../../spec/pcie/acs.ts';
import { AerCapability } from '../../../spec/pcie/aer.ts';
import { AriCapability } from '../../../spec/pcie/ari.ts';
import { AtsCapability } from '../../../spec/pcie/ats.ts';
import { placeCapability, type CapabilityPlacement } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../spec/pcie/express.ts';
import { PageRequestCapability } from '../../../spec/pcie/page-request.ts';
import { PasidCapability } from '../../../spec/pcie/pasid.ts';
import { SdiCapability } from '../../../spec/pcie/scalable-device-interface.ts';
import type { Trace } from '../../core/trace.ts';
import { ConfigSpace } from '../../pcie/config-space.ts';
import type {
  BlockWriteKind,
  BlockWriteResult,
  InvalidateRequest,
  PcieFunction,
  ResetKind,
  UpstreamPort,
} from '../../pcie/ports.ts';

/** One extended capability of the list, in list order. The first lies at 100h. */
export interface PlainCapability {
  readonly kind: 'aer' | 'acs' | 'ari' | 'ats' | 'pasid' | 'pri' | 'dvsec' | 'sdi';
  readonly offset: number;
  /** PASID: log2 of the number of PASIDs. */
  readonly pasidWidth?: number;
  /** DVSEC: vendor and identifier; those of Scalable IOV by default. */
  readonly vendor?: number;
  readonly id?: number;
  /** Scalable IOV DVSEC: bit n, pages of 2^(n+12) bytes. */
  readonly pageSizes?: number;
  readonly hasIms?: boolean;
  /** Scalable device interfaces: how many, and where their Requester IDs lie. */
  readonly total?: number;
  readonly firstOffset?: number;
  readonly stride?: number;
}

export interface PlainFunctionConfig {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly classCode: number;
  readonly barBytes?: number;
  /** Function 0 of a device that has more. */
  readonly isMultiFunction?: boolean;
  readonly capabilities?: readonly PlainCapability[];
}

const EXPRESS_OFFSET = 0x40;
const SCRATCH_BYTES = 64;

function placementOf(c: PlainCapability, index: number): CapabilityPlacement {
  // A name prefix of its own for each entry, because a kind may occur twice.
  const options = { prefix: `CAP${index}` };
  switch (c.kind) {
    case 'aer':
      return placeCapability(AerCapability, c.offset, {}, options);
    case 'acs':
      // What functions of endpoints have of the services.
      return placeCapability(AcsCapability, c.offset, { capability: { RR: 1, CR: 1 } }, options);
    case 'ari':
      return placeCapability(AriCapability, c.offset, {}, options);
    case 'ats':
      return placeCapability(AtsCapability, c.offset, {}, options);
    case 'pri':
      return placeCapability(PageRequestCapability, c.offset, {}, options);
    case 'sdi':
      return placeCapability(
        SdiCapability,
        c.offset,
        {
          total: { VALUE: c.total ?? 0 },
          firstOffset: { VALUE: c.firstOffset ?? 0 },
          stride: { VALUE: c.stride ?? 0 },
        } as never,
        options,
      );
    case 'pasid':
      return placeCapability(
        PasidCapability,
        c.offset,
        { capability: { WIDTH: c.pasidWidth ?? 20 } } as never,
        options,
      );
    default:
      return placeCapability(
        SiovDvsec,
        c.offset,
        {
          ...(c.vendor === undefined ? {} : { header1: { VENDOR: c.vendor } }),
          ...(c.id === undefined ? {} : { header2: { ID: c.id } }),
          ...(c.pageSizes === undefined ? {} : { supportedPageSizes: { SIZES: c.pageSizes } }),
          ...(c.hasIms === undefined ? {} : { capabilities: { IMS: c.hasIms ? 1 : 0 } }),
        } as never,
        options,
      );
  }
}

export interface PlainFunctionState {
  readonly config: Uint32Array;
  readonly scratch: Uint8Array;
}

export class PlainFunction implements PcieFunction<PlainFunctionState> {
  readonly name: string;
  readonly barBytes: readonly number[];
  readonly configSpace: ConfigSpace;
  readonly #port: UpstreamPort;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);

  constructor(name: string, config: PlainFunctionConfig, port: UpstreamPort, trace: Trace) {
    this.name = name;
    this.#port = port;
    const barBytes = config.barBytes ?? 0x1_0000;
    this.barBytes = [barBytes, 0, 0, 0, 0, 0];
    this.configSpace = new ConfigSpace({
      block: configSpace({
        name,
        header: {
          vendorId: config.vendorId,
          deviceId: config.deviceId,
          classCode: config.classCode,
          isMultiFunction: config.isMultiFunction ?? false,
          bars: [{ index: 0, bytes: barBytes, is64Bit: true, isPrefetchable: true }],
        },
        capabilities: [
          placeCapability(ExpressCapability, EXPRESS_OFFSET),
          ...(config.capabilities ?? []).map(placementOf),
        ],
      }),
      trace,
      source: trace.source(name),
    });
  }

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return this.configSpace.read(offset, bytes);
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.configSpace.write(offset, bytes, value);
  }

  mmioRead(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) {
      value = (value << 8n) | BigInt(this.#scratch[offset + i] ?? 0);
    }
    return value;
  }

  mmioWrite(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    for (let i = 0; i < bytes; i++) {
      // Beyond the end nothing is stored.
      this.#scratch[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
  }

  blockWrite(
    _bar: number,
    _offset: number,
    _words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    return kind === 'deferrable' ? 'retry' : 'dropped';
  }

  /** Nothing is cached, so every invalidation is complete at once. */
  atsInvalidate(request: InvalidateRequest): void {
    this.#port.invalidationComplete(2 ** request.itag, 1);
  }

  pageResponse(): void {
    // It never asks for pages.
  }

  reset(kind: ResetKind): void {
    this.configSpace.reset(kind);
    this.#scratch.fill(0);
  }

  snapshot(): PlainFunctionState {
    return { config: this.configSpace.snapshot(), scratch: this.#scratch.slice() };
  }

  restore(state: PlainFunctionState): void {
    this.configSpace.restore(state.config);
    this.#scratch.set(state.scratch);
  }
}
