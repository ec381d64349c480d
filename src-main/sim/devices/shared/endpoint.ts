/**
 * What every PCIe function of the lab has in common: configuration space with its standard capabilities, MSI-X and IMS
 * entries with their faces, device TLB, DMA. A device model adds registers and behaviour; a virtual function is an endpoint
 * of its own over resources of its physical function. PCIe Base, "Configuration Space"; Scalable IOV section 3.
 *
 * Invalidations complete at once: no access is ever in flight between two events.
 */
import type { RegisterBlock } from '../../../bits/register-block.ts';
import { bigOf } from '../../../bits/u64.ts';
import { DEVICE_TLB_INVALIDATED, FUNCTION_RESET } from '../../../spec/events/pcie.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import { AddressTranslationCache, type AtcState } from '../../pcie/address-translation-cache.ts';
import { ConfigSpace } from '../../pcie/config-space.ts';
import { FunctionCapabilities } from '../../pcie/function-capabilities.ts';
import { IMS_RESET_ADDRESS, ImsTable } from '../../pcie/ims-table.ts';
import {
  InterruptTable,
  type InterruptTableState,
  type SendInterrupt,
} from '../../pcie/interrupt-table.ts';
import { MsixTable } from '../../pcie/msix-table.ts';
import type { InvalidateRequest, ResetKind, UpstreamPort } from '../../pcie/ports.ts';
import { Dma } from './dma.ts';

export interface EndpointOptions {
  readonly name: string;
  readonly block: RegisterBlock;
  readonly barBytes: readonly number[];
  readonly port: UpstreamPort;
  readonly trace: Trace;
  readonly msixEntries: number;
  readonly imsEntries: number;
  readonly atcEntries: number;
  /** FLR was asked for through configuration space. */
  readonly onFunctionLevelReset: () => void;
  readonly onDidWrite?: (write: RegisterWrite) => void;
}

export interface EndpointState {
  readonly config: Uint32Array;
  readonly msix: InterruptTableState;
  readonly ims: InterruptTableState;
  readonly atc: AtcState;
}

export class Endpoint implements Snapshotable<EndpointState> {
  readonly name: string;
  readonly port: UpstreamPort;
  readonly source: number;
  readonly config: ConfigSpace;
  readonly pci: FunctionCapabilities;
  readonly msix: InterruptTable;
  readonly ims: InterruptTable;
  readonly msixFace: MsixTable;
  readonly imsFace: ImsTable;
  readonly atc: AddressTranslationCache;
  readonly dma: Dma;
  readonly #trace: Trace;

  constructor(options: EndpointOptions) {
    const { name, port, trace } = options;
    this.name = name;
    this.port = port;
    this.#trace = trace;
    this.source = trace.source(name);
    const send: SendInterrupt = (_index, high, low, data, cause) => {
      if (this.pci.isBusMaster) {
        port.interrupt(high, low, data, cause);
      }
    };
    const cause = (): number => trace.cause;
    this.msix = new InterruptTable(
      { entries: options.msixEntries, isAlwaysOn: false, cause },
      send,
    );
    this.ims = new InterruptTable(
      { entries: options.imsEntries, isAlwaysOn: true, resetAddressLow: IMS_RESET_ADDRESS, cause },
      send,
    );
    this.msixFace = new MsixTable(this.msix);
    this.imsFace = new ImsTable(this.ims);
    this.atc = new AddressTranslationCache(options.atcEntries);
    this.config = new ConfigSpace({
      block: options.block,
      trace,
      source: this.source,
      onDidWrite: (write) => {
        this.pci.onDidWrite(write);
        options.onDidWrite?.(write);
      },
    });
    this.pci = new FunctionCapabilities(
      this.config,
      {
        barBytes: options.barBytes,
        onFunctionLevelReset: () => {
          options.onFunctionLevelReset();
        },
        onDidSwitch: (switched) => {
          if (switched === 'ats') {
            this.atc.clear();
          }
        },
      },
      this.msix,
      trace,
      this.source,
    );
    this.dma = new Dma({ port, atc: this.atc, switches: this.pci, trace, source: this.source });
  }

  atsInvalidate(request: InvalidateRequest): void {
    const dropped = this.atc.invalidate(request);
    this.#trace.record(
      DEVICE_TLB_INVALIDATED,
      this.source,
      request.pasid,
      request.isGlobal,
      bigOf(request.high, request.low),
      request.sizeShift,
      dropped,
      request.itag,
    );
    this.port.invalidationComplete(2 ** request.itag, 1);
  }

  reset(kind: ResetKind): void {
    this.#trace.record(FUNCTION_RESET, this.source, kind);
    this.config.reset(kind);
    this.pci.refresh();
    this.msix.reset();
    this.ims.reset();
    this.atc.clear();
  }

  snapshot(): EndpointState {
    return {
      config: this.config.snapshot(),
      msix: this.msix.snapshot(),
      ims: this.ims.snapshot(),
      atc: this.atc.snapshot(),
    };
  }

  restore(state: EndpointState): void {
    this.config.restore(state.config);
    this.pci.refresh();
    this.msix.restore(state.msix);
    this.ims.restore(state.ims);
    this.atc.restore(state.atc);
  }
}

/** Width and alignment that 32-bit tables take. */
export function isTableAccess(offset: number, bytes: number): bytes is 4 | 8 {
  return (bytes === 4 || bytes === 8) && offset % bytes === 0;
}
