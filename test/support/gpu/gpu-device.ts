/**
 * The worked example of "How to add a device": a GPU-class function whose assignable unit is a context slice. Each slice has
 * a page with a doorbell, a command ring in memory, a PASID and an IMS vector; one engine serves the slices in turn.
 */
import { placeCapability } from '../../../src-main/spec/pcie/capability.ts';
import { configSpace } from '../../../src-main/spec/pcie/config-space.ts';
import { AtsCapability } from '../../../src-main/spec/pcie/ats.ts';
import { ExpressCapability } from '../../../src-main/spec/pcie/express.ts';
import { PasidCapability } from '../../../src-main/spec/pcie/pasid.ts';
import { SiovDvsec } from '../../../src-main/spec/siov/dvsec.ts';
import type { EventQueue, EventTarget } from '../../../src-main/sim/core/event-queue.ts';
import { RegisterFile } from '../../../src-main/sim/core/register-file.ts';
import type { Trace } from '../../../src-main/sim/core/trace.ts';
import {
  Endpoint,
  isTableAccess,
  type EndpointState,
} from '../../../src-main/sim/devices/shared/endpoint.ts';
import type { ResetKind, UpstreamPort } from '../../../src-main/sim/pcie/ports.ts';
import { EndpointFunction } from '../../../src-main/sim/devices/shared/endpoint-function.ts';
import {
  GPU_COMMAND,
  GPU_COMMAND_BYTES,
  GPU_HEAD,
  GPU_PASID,
  GPU_RING,
  GPU_RING_COMMANDS,
  GPU_SLICE,
  GPU_SLICE_BYTES,
  GPU_TAIL,
} from './gpu-registers.ts';

const IMS_ENTRIES = 64;
const IMS_AT = 0x1_0000;
const COMMAND_NS = 200;
const MAX_BYTES = 4096;
const VALID = 0x8000_0000;

interface GpuState {
  readonly endpoint: EndpointState;
  readonly slices: readonly Uint32Array[];
  readonly next: number;
  readonly isBusy: boolean;
}

export class GpuDevice extends EndpointFunction<GpuState> implements EventTarget {
  readonly name = 'gpu0';
  readonly barBytes = [0x2_0000, 0, 0, 0, 0, 0];
  readonly #queue: EventQueue;
  readonly #target: number;
  readonly endpoint: Endpoint;
  readonly #slices: readonly RegisterFile[];
  readonly #data = new Uint8Array(MAX_BYTES);
  #next = 0;
  #isBusy = false;

  constructor(port: UpstreamPort, queue: EventQueue, trace: Trace, slices: number) {
    super();
    this.#queue = queue;
    this.#target = queue.register(this);
    this.endpoint = new Endpoint({
      name: this.name,
      block: configSpace({
        name: 'GPU_CONFIG',
        header: {
          vendorId: 0x8086,
          deviceId: 0x0bd5,
          classCode: 0x03_8000,
          bars: [{ index: 0, bytes: 0x2_0000, is64Bit: true, isPrefetchable: true }],
        },
        capabilities: [
          placeCapability(ExpressCapability, 0x40),
          placeCapability(AtsCapability, 0x100),
          placeCapability(PasidCapability, 0x110, { capability: { WIDTH: 20 } }),
          placeCapability(SiovDvsec, 0x120),
        ],
      }),
      barBytes: this.barBytes,
      port,
      trace,
      msixEntries: 0,
      imsEntries: IMS_ENTRIES,
      atcEntries: 64,
      onFunctionLevelReset: () => this.reset('function-level'),
    });
    this.#slices = Array.from(
      { length: slices },
      () => new RegisterFile(GPU_SLICE, GPU_SLICE_BYTES, { onDidWrite: () => this.#wake() }),
    );
  }

  mmioRead(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return (
      this.#slices[Math.floor(offset / GPU_SLICE_BYTES)]?.read(offset % GPU_SLICE_BYTES, bytes) ??
      0n
    );
  }

  mmioWrite(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const { imsFace } = this.endpoint;
    if (offset >= IMS_AT && offset < IMS_AT + imsFace.bytes && isTableAccess(offset, bytes)) {
      imsFace.write(offset - IMS_AT, bytes, value);
    }
    this.#slices[Math.floor(offset / GPU_SLICE_BYTES)]?.write(
      offset % GPU_SLICE_BYTES,
      bytes,
      value,
    );
  }

  /** One command of the next slice that has one. */
  onDue(): void {
    this.#isBusy = false;
    for (let i = 0; i < this.#slices.length; i++) {
      const index = (this.#next + i) % this.#slices.length;
      const slice = this.#slices[index] as RegisterFile;
      if (isReady(slice)) {
        this.#next = (index + 1) % this.#slices.length;
        this.#wake(this.#run(slice));
        return;
      }
    }
  }

  reset(kind: ResetKind): void {
    this.#queue.cancel(this.#target, 0);
    this.endpoint.reset(kind);
    this.#slices.forEach((slice) => slice.reset());
    this.#next = 0;
    this.#isBusy = false;
  }

  snapshot(): GpuState {
    const slices = this.#slices.map((slice) => slice.snapshot());
    return { endpoint: this.endpoint.snapshot(), slices, next: this.#next, isBusy: this.#isBusy };
  }

  restore(state: GpuState): void {
    this.endpoint.restore(state.endpoint);
    state.slices.forEach((words, i) => this.#slices[i]?.restore(words));
    this.#next = state.next;
    this.#isBusy = state.isBusy;
  }

  #wake(delayNs = COMMAND_NS): void {
    if (!this.#isBusy && this.#slices.some(isReady)) {
      this.#isBusy = true;
      this.#queue.schedule(delayNs, this.#target, 0);
    }
  }

  /** Executes the command at the head; a fault takes the slice out of service. Gives the time it takes. */
  #run(slice: RegisterFile): number {
    const { dma, ims } = this.endpoint;
    const pasid = slice.get('GPU_PASID', 'PASID');
    const head = slice.peek32(GPU_HEAD.offset);
    const at = (head % GPU_RING_COMMANDS) * GPU_COMMAND_BYTES;
    dma.begin();
    let isGood = dma.read(
      pasid,
      0,
      slice.peek32(GPU_RING.offset),
      at,
      this.#data,
      0,
      GPU_COMMAND_BYTES,
    );
    const [operation = 0, amount = 0, value = 0, to = 0] = new Uint32Array(
      this.#data.slice(0, 16).buffer,
    );
    const bytes = Math.min(amount, MAX_BYTES);
    if (isGood && operation === GPU_COMMAND.copy) {
      isGood = dma.read(pasid, 0, value, 0, this.#data, 0, bytes);
    } else if (operation === GPU_COMMAND.fill) {
      this.#data.fill(value, 0, bytes);
    }
    if (isGood && (operation === GPU_COMMAND.copy || operation === GPU_COMMAND.fill)) {
      isGood = dma.write(pasid, 0, to, 0, this.#data, 0, bytes);
    }
    if (isGood && operation === GPU_COMMAND.interrupt) {
      ims.raise(slice.get('GPU_PASID', 'VECTOR') % IMS_ENTRIES);
    }
    slice.poke32(GPU_HEAD.offset, (head + 1) % GPU_RING_COMMANDS);
    slice.set('GPU_PASID', 'VALID', isGood ? 1 : 0);
    return COMMAND_NS + dma.latencyNs + (operation === GPU_COMMAND.compute ? amount : bytes);
  }
}

function isReady(slice: RegisterFile): boolean {
  const isOn = (slice.peek32(GPU_PASID.offset) & VALID) !== 0;
  return (
    isOn && slice.peek32(GPU_HEAD.offset) !== slice.peek32(GPU_TAIL.offset) % GPU_RING_COMMANDS
  );
}
