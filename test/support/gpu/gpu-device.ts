/**
 * The worked example of "How to add": a GPU-class function. Its assignable unit is the context slice: a page of registers
 * with a doorbell, a command ring, a PASID, an IMS entry. A command fills memory (address, bytes, value) and interrupts.
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
import { EndpointFunction } from '../../../src-main/sim/devices/shared/endpoint-function.ts';
import { Endpoint, type EndpointState } from '../../../src-main/sim/devices/shared/endpoint.ts';
import type { ResetKind, UpstreamPort } from '../../../src-main/sim/pcie/ports.ts';
import { GPU_SLICE } from './gpu-registers.ts';

const PAGE = 0x1000;
const IMS = { at: 0x4000, entries: 16 } as const;
const BAR_BYTES = 0x8000;
const COMMAND_NS = 200;

interface GpuState {
  readonly endpoint: EndpointState;
  readonly slices: readonly Uint32Array[];
}

export class GpuDevice extends EndpointFunction<GpuState> implements EventTarget {
  readonly name = 'gpu0';
  readonly barBytes = [BAR_BYTES, 0, 0, 0, 0, 0];
  readonly endpoint: Endpoint;
  readonly #queue: EventQueue;
  readonly #target: number;
  readonly #slices = Array.from(
    { length: 4 },
    (_, i) => new RegisterFile(GPU_SLICE, PAGE, { onDidWrite: () => this.#start(i) }),
  );

  constructor(port: UpstreamPort, queue: EventQueue, trace: Trace) {
    super();
    this.#queue = queue;
    this.#target = queue.register(this);
    const bars = [{ index: 0, bytes: BAR_BYTES, is64Bit: true }];
    this.endpoint = new Endpoint({
      ...{ name: this.name, barBytes: this.barBytes, port, trace },
      ...{ msixEntries: 0, imsEntries: IMS.entries, atcEntries: 16 },
      block: configSpace({
        name: 'GPU_CONFIG',
        header: { vendorId: 0x8086, deviceId: 0x0bd5, classCode: 0x03_8000, bars },
        capabilities: [
          placeCapability(ExpressCapability, 0x40),
          placeCapability(AtsCapability, 0x100),
          placeCapability(PasidCapability, 0x110, { capability: { WIDTH: 20 } }),
          placeCapability(SiovDvsec, 0x120),
        ],
      }),
      onFunctionLevelReset: () => this.reset('function-level'),
    });
  }

  mmioRead(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return this.#slices[Math.floor(offset / PAGE)]?.read(offset % PAGE, bytes) ?? 0n;
  }

  mmioWrite(_bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    this.#slices[Math.floor(offset / PAGE)]?.write(offset % PAGE, bytes, value);
    const { imsFace } = this.endpoint;
    if (offset >= IMS.at && offset < IMS.at + imsFace.bytes && bytes >= 4 && offset % bytes === 0) {
      imsFace.write(offset - IMS.at, bytes as 4 | 8, value);
    }
  }

  /** The command at the head of a slice ends; a fault takes the slice out of service. */
  onDue(_operation: number, index: number): void {
    const slice = this.#slices[index] as RegisterFile;
    const head = slice.get('QUEUE', 'HEAD');
    slice.set('QUEUE', 'BUSY', 0);
    slice.set('QUEUE', 'HEAD', (head + 1) % 256);
    if (this.#run(slice, head * 16)) {
      this.endpoint.ims.raise(slice.get('CONTEXT', 'VECTOR') % IMS.entries);
    } else {
      slice.set('CONTEXT', 'VALID', 0);
    }
    this.#start(index);
  }

  reset(kind: ResetKind): void {
    this.#queue.cancel(this.#target, 0);
    this.endpoint.reset(kind);
    this.#slices.forEach((slice) => slice.reset());
  }

  snapshot(): GpuState {
    return { endpoint: this.endpoint.snapshot(), slices: this.#slices.map((s) => s.snapshot()) };
  }

  restore({ endpoint, slices }: GpuState): void {
    this.endpoint.restore(endpoint);
    slices.forEach((words, i) => this.#slices[i]?.restore(words));
  }

  #start(index: number): void {
    const slice = this.#slices[index] as RegisterFile;
    const isIdle = slice.get('QUEUE', 'BUSY') === 0 && slice.get('CONTEXT', 'VALID') === 1;
    if (isIdle && slice.get('QUEUE', 'HEAD') !== slice.get('QUEUE', 'TAIL')) {
      slice.set('QUEUE', 'BUSY', 1);
      this.#queue.schedule(COMMAND_NS, this.#target, 0, index);
    }
  }

  /** False when memory could not be reached. */
  #run(slice: RegisterFile, offset: number): boolean {
    const { dma } = this.endpoint;
    const pasid = slice.get('CONTEXT', 'PASID');
    const command = new Uint8Array(16);
    const isRead = dma.read(pasid, 0, slice.get('CONTEXT', 'RING'), offset, command, 0, 16);
    const [to = 0, bytes = 0, value = 0] = new Uint32Array(command.buffer);
    const data = new Uint8Array(Math.min(bytes, PAGE)).fill(value);
    return isRead && dma.write(pasid, 0, to, 0, data, 0, data.length);
  }
}
