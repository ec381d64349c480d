/**
 * A network adapter whose assignable unit is the queue pair: one transmit and one receive ring, one doorbell page, one
 * vector, one PASID. Rings and descriptors follow Linux drivers/net/ethernet/intel/ice; sharing follows Scalable IOV
 * section 3; SR-IOV is there beside it for comparison.
 *
 * Not modelled: the admin queue and mailbox (the context is written directly), offloads, several ports, flow rules.
 */
import { invariant } from '../../../bits/invariant.ts';
import { NIC_QUEUE_RESET } from '../../../spec/events/nic.ts';
import { NIC_GENERAL, TABLE_UNIT_BYTES } from '../../../spec/nic/registers.ts';
import { STOP } from '../../../spec/nic/verdicts.ts';
import type { EventQueue, EventTarget } from '../../core/event-queue.ts';
import { RegisterFile } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import type { FunctionHost, ResetKind, UpstreamPort } from '../../pcie/ports.ts';
import { EndpointFunction } from '../shared/endpoint-function.ts';
import { Endpoint } from '../shared/endpoint.ts';
import { Sriov } from '../sriov/sriov.ts';
import type { VirtualFunction } from '../sriov/virtual-function.ts';
import { nicConfigIssues, nicSettings, type NicConfig, type NicSettings } from './config.ts';
import { NIC_CLASS_CODE, nicConfigSpace } from './config-space.ts';
import { ForwardingTable } from './forwarding-table.ts';
import { reflected } from './frame.ts';
import { NicInspector } from './inspect.ts';
import { Moderation } from './moderation.ts';
import { NicWindows } from './windows.ts';
import { PacketRing } from './packet-ring.ts';
import { nicPlaces, vfPlaces } from './places.ts';
import { QUEUE_CONTROL, QueuePair, type QueueOwner } from './queue-pair.ts';
import { QueueRegisters } from './queue-registers.ts';
import { Receive } from './receive.ts';
import type { NicState } from './state.ts';
import { NIC_TIMING } from './timing.ts';
import { Transmit } from './transmit.ts';
import { VirtualSwitch } from './virtual-switch.ts';

export interface NicDeviceOptions {
  readonly name: string;
  readonly config: NicConfig;
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly functions: FunctionHost;
}

const EVENT = { transmit: 0, moderate: 1, wire: 2 } as const;
const GENERAL_BYTES = 0x1000;
const FUNCTION_MASK = 7;

export class NicDevice extends EndpointFunction<NicState> implements EventTarget {
  readonly name: string;
  readonly settings: NicSettings;
  readonly barBytes: readonly number[];
  /** Read-only view of everything inside, for panes, checks and tests. */
  readonly inspect: NicInspector;
  readonly #queue: EventQueue;
  readonly #trace: Trace;
  readonly #target: number;
  readonly endpoint: Endpoint;
  readonly #sriov: Sriov | undefined;
  readonly #general: RegisterFile;
  readonly #pairs: readonly QueuePair[];
  readonly #table: ForwardingTable;
  readonly #ring = new PacketRing();
  readonly #moderation: Moderation;
  readonly #transmit: Transmit;
  readonly #switch: VirtualSwitch;
  readonly #registers: QueueRegisters;
  readonly #windows: NicWindows;
  readonly #physical: QueueOwner;
  /** Frames on their way back from the other end. */
  #wire: Uint8Array[] = [];

  constructor({ name, config, port, queue, trace, functions }: NicDeviceOptions) {
    super();
    this.name = name;
    this.settings = nicSettings(config);
    const [issue] = nicConfigIssues(this.settings);
    invariant(issue === undefined, `${name}: ${issue?.path ?? ''}: ${issue?.message ?? ''}`);
    const { settings } = this;
    const places = nicPlaces(settings);
    this.barBytes = [places.bar0Bytes, 0, places.bar2Bytes, 0, 0, 0];
    this.#queue = queue;
    this.#trace = trace;
    this.#target = queue.register(this);
    this.endpoint = new Endpoint({
      name,
      block: nicConfigSpace(settings, port.rid & FUNCTION_MASK),
      barBytes: this.barBytes,
      port,
      trace,
      msixEntries: settings.msixEntries,
      imsEntries: settings.imsEntries,
      atcEntries: settings.atcEntries,
      onFunctionLevelReset: () => {
        this.reset('function-level');
      },
      onDidWrite: (write) => {
        this.#sriov?.onDidWrite(write);
      },
    });
    this.#physical = { endpoint: this.endpoint, isVirtual: false };
    this.#sriov = this.#createSriov(functions);
    this.#general = new RegisterFile(NIC_GENERAL, GENERAL_BYTES);
    this.#describe();
    this.#table = new ForwardingTable(settings.learnedAddresses);
    this.#moderation = new Moderation(queue, trace, (delayNs, pair) => {
      queue.schedule(delayNs, this.#target, EVENT.moderate, pair.index);
    });
    this.#pairs = this.#createPairs();
    this.#registers = new QueueRegisters(trace, this.#moderation, (pair) => {
      this.#wake(pair);
    });
    this.#switch = this.#createSwitch();
    this.#transmit = new Transmit(trace, this.#moderation, (pair, frame, bytes) => {
      this.#switch.fromQueue(pair, frame, bytes);
    });
    this.#windows = new NicWindows({
      settings,
      endpoint: this.endpoint,
      general: this.#general,
      pairs: this.#pairs,
      registers: this.#registers,
      trace,
    });
    this.inspect = new NicInspector({
      settings,
      endpoint: this.endpoint,
      pairs: this.#pairs,
      table: this.#table,
      ring: this.#ring,
      vfNames: () => this.#sriov?.functions ?? [],
    });
  }

  mmioRead(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return this.#windows.read(bar, offset, bytes);
  }

  mmioWrite(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    this.#windows.write(bar, offset, bytes, value);
  }

  /** A frame arrives at the port. */
  receiveFromWire(frame: Uint8Array): void {
    this.#switch.fromWire(frame);
  }

  onDue(operation: number, a: number): void {
    const pair = this.#pairs[a] as QueuePair;
    switch (operation) {
      case EVENT.transmit:
        this.#onTransmit(pair);
        break;
      case EVENT.moderate:
        this.#moderation.expire(pair);
        break;
      default:
        this.#switch.fromWire(this.#wire.shift() as Uint8Array);
    }
  }

  reset(kind: ResetKind): void {
    for (const operation of Object.values(EVENT)) {
      this.#queue.cancel(this.#target, operation);
    }
    this.#wire = [];
    this.#sriov?.removeAll();
    this.endpoint.reset(kind);
    this.#sriov?.initBars();
    this.#general.reset();
    this.#describe();
    for (const pair of this.#pairs) {
      pair.reset(false);
    }
    this.#table.clear();
    this.#ring.clear();
  }

  snapshot(): NicState {
    return {
      version: 1,
      endpoint: this.endpoint.snapshot(),
      general: this.#general.snapshot(),
      pairs: this.#pairs.map((pair) => pair.snapshot()),
      learned: this.#table.snapshot(),
      packets: this.#ring.snapshot(),
      wire: [...this.#wire],
      sriov: this.#sriov?.snapshot() ?? { vfs: [] },
    };
  }

  restore(state: NicState): void {
    this.endpoint.restore(state.endpoint);
    this.#sriov?.restore(state.sriov);
    this.#general.restore(state.general);
    this.#pairs.forEach((pair, i) => {
      const saved = state.pairs[i];
      invariant(saved !== undefined, `${this.name}: the state lacks queue pair ${i}`);
      pair.restore(saved);
    });
    this.#table.restore(state.learned);
    this.#table.assign(this.#pairs);
    this.#ring.restore(state.packets);
    this.#wire = [...state.wire];
  }

  #createPairs(): readonly QueuePair[] {
    const hooks = {
      onControl: (pair: QueuePair, before: number, after: number) => {
        this.#onControl(pair, before, after);
      },
      onAddress: () => {
        this.#table.assign(this.#pairs);
      },
      onReset: (pair: QueuePair) => {
        this.#resetPair(pair, true);
        this.#trace.record(NIC_QUEUE_RESET, pair.owner.endpoint.source, pair.index);
      },
    };
    return Array.from(
      { length: this.settings.queuePairs },
      (_, i) => new QueuePair(i, this.#physical, hooks),
    );
  }

  #createSwitch(): VirtualSwitch {
    return new VirtualSwitch({
      pairs: this.#pairs,
      table: this.#table,
      ring: this.#ring,
      receive: new Receive(this.#trace, this.#moderation),
      queue: this.#queue,
      trace: this.#trace,
      source: this.endpoint.source,
      maxFrame: this.settings.maxFrame,
      isLearning: () => this.#general.get('NIC_CONTROL', 'LEARN') === 1,
      toWire: (frame) => {
        if (this.settings.wire === 'reflect') {
          this.#wire.push(reflected(frame));
          this.#queue.schedule(NIC_TIMING.wireNs, this.#target, EVENT.wire, 0);
        }
      },
    });
  }

  #createSriov(host: FunctionHost): Sriov | undefined {
    const { sriov, queuePairsPerVf } = this.settings;
    if (sriov === undefined) {
      return undefined;
    }
    const places = vfPlaces(queuePairsPerVf);
    return new Sriov({
      settings: sriov,
      physical: this.endpoint,
      host,
      trace: this.#trace,
      shape: { ...places, msixEntries: queuePairsPerVf, classCode: NIC_CLASS_CODE },
      onDidAdd: (vf) => {
        this.#lend(vf);
      },
      onDidRemove: (vf) => {
        for (const pair of this.#pairsOf(vf)) {
          this.#resetPair(pair, false);
          pair.owner = this.#physical;
        }
        this.#table.assign(this.#pairs);
      },
    });
  }

  /** Virtual function n has the n-th share counted from the end of the pool. */
  #pairsOf(vf: VirtualFunction): readonly QueuePair[] {
    const { queuePairs, queuePairsPerVf } = this.settings;
    const first = queuePairs - vf.number * queuePairsPerVf;
    return this.#pairs.slice(first, first + queuePairsPerVf);
  }

  #lend(vf: VirtualFunction): void {
    const pairs = this.#pairsOf(vf);
    for (const pair of pairs) {
      this.#resetPair(pair, false);
      pair.owner = { endpoint: vf.endpoint, isVirtual: true };
    }
    this.#table.assign(this.#pairs);
    vf.registers = this.#windows.ofVirtualFunction(vf, pairs, () => {
      for (const pair of pairs) {
        this.#resetPair(pair, true);
      }
    });
  }

  #describe(): void {
    this.#general.set('NIC_CAPS', 'QUEUES', this.settings.queuePairs);
    this.#general.set('NIC_CAPS', 'IMS', this.settings.imsEntries);
    this.#general.set('NIC_CAPS', 'FRAME', this.settings.maxFrame);
    const { contexts, ims } = nicPlaces(this.settings);
    this.#general.set('NIC_TABLES', 'CONTEXTS', contexts / TABLE_UNIT_BYTES);
    this.#general.set('NIC_TABLES', 'IMS', ims / TABLE_UNIT_BYTES);
  }

  #wake(pair: QueuePair): void {
    if (!pair.isTransmitting) {
      pair.isTransmitting = true;
      this.#queue.schedule(NIC_TIMING.doorbellNs, this.#target, EVENT.transmit, pair.index);
    }
  }

  #onTransmit(pair: QueuePair): void {
    const delayNs = this.#transmit.next(pair);
    pair.isTransmitting = delayNs >= 0;
    if (delayNs >= 0) {
      this.#queue.schedule(delayNs, this.#target, EVENT.transmit, pair.index);
    }
  }

  /** Enabling starts a ring at descriptor 0; disabling forgets what was under way. */
  #onControl(pair: QueuePair, before: number, after: number): void {
    const changed = before ^ after;
    if ((changed & QUEUE_CONTROL.transmit) !== 0) {
      pair.txHead = pair.txTail = 0;
      pair.txStop = STOP.none;
      pair.isTransmitting = false;
      this.#queue.cancel(this.#target, EVENT.transmit, pair.index);
    }
    if ((changed & QUEUE_CONTROL.receive) !== 0) {
      pair.rxHead = pair.rxTail = 0;
      pair.rxStop = STOP.none;
    }
  }

  #resetPair(pair: QueuePair, keepAssignment: boolean): void {
    this.#queue.cancel(this.#target, EVENT.transmit, pair.index);
    this.#queue.cancel(this.#target, EVENT.moderate, pair.index);
    pair.reset(keepAssignment);
    this.#table.forget(pair.index);
  }
}
