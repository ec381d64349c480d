/** The machine's functions as checks see them: configuration space, capabilities, registers. Reading changes nothing. */
import type { ViewLink } from '../../protocol/views.ts';
import { defined } from '../../bits/invariant.ts';
import { toHex } from '../../bits/hex.ts';
import type { FieldMap, Layout } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { Machine } from '../../sim/index.ts';
import { ExtendedHeader } from '../../spec/pcie/capability.ts';
import { DVSEC_HEADER_1, DVSEC_HEADER_2 } from '../../spec/pcie/dvsec.ts';
import { EXTENDED_CAPABILITY_ID } from '../../spec/pcie/capability-id.ts';
import { formatBdf, parseBdf } from '../../spec/pcie/requester-id.ts';
import { OFFSETS, WQCAP } from '../../spec/dsa/capability-registers.ts';
import { WqConfig } from '../../spec/dsa/wq-config.ts';
import { FoundStructure } from './found-structure.ts';

/** One entry of the extended capability list. */
export interface FoundCapability {
  readonly id: number;
  readonly offset: number;
  readonly next: number;
  /** Of a DVSEC. */
  readonly vendor?: number;
  readonly dvsecId?: number;
}

const FIRST_EXTENDED = 0x100;
const NO_CAPABILITY = 0xffff_ffff;
/** Registers of the accelerator: offsets in OFFSETS count in units of 256 bytes. */
const TABLE_UNIT = 0x100;
const SMALLEST_WQCFG = 32;

export class Device {
  readonly name: string;
  readonly kind: string;
  readonly rid: number;
  readonly bdf: string;
  readonly #machine: Machine;

  constructor(machine: Machine, index: number) {
    const config = defined(machine.config.devices[index], `Device ${String(index)}`);
    this.#machine = machine;
    this.name = config.name;
    this.kind = config.kind;
    this.rid = defined(parseBdf(config.bdf), `Requester ID of ${config.name}`);
    this.bdf = formatBdf(this.rid);
  }

  get configLink(): ViewLink {
    return {
      view: 'pci-config',
      params: { rid: toHex(this.rid, 4) },
      label: `Show the configuration space of ${this.bdf}`,
    };
  }

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    return this.#function.configRead(offset, bytes);
  }

  /** The extended capabilities in the order of their list. */
  extendedCapabilities(): readonly FoundCapability[] {
    const found: FoundCapability[] = [];
    for (let offset = FIRST_EXTENDED; offset !== 0 && !found.some((c) => c.offset === offset);) {
      const header = this.configRead(offset, 4);
      if (header === 0 || header === NO_CAPABILITY) break;
      const capability = this.#capability(offset, header);
      found.push(capability);
      offset = capability.next;
    }
    return found;
  }

  /** A register of BAR0, decoded. */
  register<F extends FieldMap>(register: Register<F>): FoundStructure<F> {
    const object = `${register.name} of ${this.name}`;
    return this.#decode(register, { offset: register.offset, bytes: register.bytes, object });
  }

  /** Configuration and state of a work queue of an accelerator, as hardware holds it. */
  workQueue(index: number): FoundStructure<FieldsOf<typeof WqConfig>> {
    const { wqConfig } = this.register(OFFSETS).values;
    const { configShift } = this.register(WQCAP).values;
    const bytes = SMALLEST_WQCFG * 2 ** configShift;
    return this.#decode(WqConfig, {
      offset: wqConfig * TABLE_UNIT + index * bytes,
      bytes,
      object: `WQ ${String(index)} of ${this.name}`,
    });
  }

  get #function(): NonNullable<ReturnType<Machine['fabric']['find']>> {
    return defined(this.#machine.fabric.find(this.rid), `Function ${this.bdf}`);
  }

  #capability(offset: number, header: number): FoundCapability {
    const { ID: id, NEXT: next } = ExtendedHeader.decode([header]);
    if (id !== EXTENDED_CAPABILITY_ID.designatedVendorSpecific) return { id, offset, next };
    const first = DVSEC_HEADER_1.decode([this.configRead(offset + DVSEC_HEADER_1.offset, 4)]);
    const second = DVSEC_HEADER_2.decode([this.configRead(offset + DVSEC_HEADER_2.offset, 2)]);
    return { id, offset, next, vendor: first.VENDOR, dvsecId: second.ID };
  }

  #decode<F extends FieldMap>(
    layout: Layout<F>,
    place: { readonly offset: number; readonly bytes: number; readonly object: string },
  ): FoundStructure<F> {
    const words = Array.from({ length: Math.ceil(place.bytes / 4) }, (_, i) =>
      Number(this.#function.mmioRead(0, place.offset + i * 4, 4)),
    );
    const link: ViewLink = {
      view: 'device-registers',
      params: { unit: this.name },
      label: `Show the registers of ${this.name}`,
    };
    return new FoundStructure<F>({ layout, words, object: place.object, link });
  }
}

type FieldsOf<L> = L extends Layout<infer F> ? F : never;
