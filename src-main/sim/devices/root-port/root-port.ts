/**
 * A root port: the bridge between the root complex and one device that is plugged in. What it does here is access control
 * (PCIe Base section 6.12.1.1): Translation Blocking, which ports with these services must have, stops requests that bring an
 * address of their own as translated.
 *
 * Source Validation and the peer controls are stored without effect: the fabric knows who sends, and devices below different
 * ports never reach each other. Not modelled: links, slots, hot plug, error messages, the header log.
 */
import { AcsCapability } from '../../../spec/pcie/acs.ts';
import { AerCapability } from '../../../spec/pcie/aer.ts';
import { placeCapability } from '../../../spec/pcie/capability.ts';
import { configSpace } from '../../../spec/pcie/config-space.ts';
import { DEVICE_PORT_TYPE, ExpressCapability } from '../../../spec/pcie/express.ts';
import { busOf } from '../../../spec/pcie/requester-id.ts';
import type { Trace } from '../../core/trace.ts';
import { ConfigSpace } from '../../pcie/config-space.ts';
import type {
  BlockWriteKind,
  BlockWriteResult,
  DownstreamPort,
  PcieFunction,
  ResetKind,
} from '../../pcie/ports.ts';
import { rootPortSettings, type RootPortConfig } from './config.ts';

/** Identifiers and places of QEMU's generic root port (hw/pci-bridge/gen_pcie_root_port.c). */
const VENDOR_REDHAT = 0x1b36;
const DEVICE_ID = 0x000c;
/** PCI-to-PCI bridge. */
const CLASS_CODE = 0x06_0400;

export class RootPort implements PcieFunction<Uint32Array> {
  readonly name: string;
  readonly barBytes = [0, 0, 0, 0, 0, 0];
  readonly downstream: DownstreamPort;
  readonly #configSpace: ConfigSpace;
  readonly #hasAcs: boolean;
  /** ACS Translation Blocking, apart from the register for the sake of every request. */
  #isBlocking = false;

  /** @param rid its own Requester ID */
  constructor(name: string, config: RootPortConfig, rid: number, trace: Trace) {
    this.name = name;
    const { secondaryBus, hasAcs } = rootPortSettings(config);
    this.#hasAcs = hasAcs;
    const space = new ConfigSpace({
      block: configSpace({
        name,
        header: {
          vendorId: VENDOR_REDHAT,
          deviceId: DEVICE_ID,
          classCode: CLASS_CODE,
          buses: { primary: busOf(rid), secondary: secondaryBus },
        },
        capabilities: [
          placeCapability(ExpressCapability, 0x40, {
            capabilities: { TYPE: DEVICE_PORT_TYPE.rootPort },
            deviceCapabilities: { FLR: 0 },
          }),
          placeCapability(AerCapability, 0x100),
          ...(hasAcs
            ? [
                placeCapability(AcsCapability, 0x148, {
                  capability: { SV: 1, TB: 1, RR: 1, CR: 1, UF: 1 },
                }),
              ]
            : []),
        ],
      }),
      trace,
      source: trace.source(name),
      onDidWrite: () => {
        this.#refresh();
      },
    });
    this.#configSpace = space;
    const isBlocking = (): boolean => this.#isBlocking;
    this.downstream = {
      bus: secondaryBus,
      get blocksTranslated() {
        return isBlocking();
      },
      noteViolation: (isPosted) => {
        space.set('AER_UNCORRECTABLE_STATUS', 'ACSV', 1);
        if (!isPosted) {
          space.set('SECONDARY_STATUS', 'STA', 1);
        }
      },
    };
  }

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return this.#configSpace.read(offset, bytes);
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#configSpace.write(offset, bytes, value);
  }

  mmioRead(_bar: number, _offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return (1n << BigInt(8 * bytes)) - 1n;
  }

  mmioWrite(): void {
    // It has no BARs.
  }

  blockWrite(
    _bar: number,
    _offset: number,
    _words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    return kind === 'deferrable' ? 'retry' : 'dropped';
  }

  atsInvalidate(): void {
    // It translates nothing of its own.
  }

  pageResponse(): void {
    // It never asks for pages.
  }

  reset(kind: ResetKind): void {
    this.#configSpace.reset(kind);
    this.#refresh();
  }

  snapshot(): Uint32Array {
    return this.#configSpace.snapshot();
  }

  restore(state: Uint32Array): void {
    this.#configSpace.restore(state);
    this.#refresh();
  }

  #refresh(): void {
    this.#isBlocking = this.#hasAcs && this.#configSpace.get('ACS_CONTROL', 'TB') === 1;
  }
}
