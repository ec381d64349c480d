/**
 * An accelerator for cryptography and compression whose assignable unit is the ring pair. Rings and messages follow the
 * generation 4 parts (Linux drivers/crypto/intel/qat, qatlib); sharing follows Scalable IOV section 3.
 *
 * Not modelled: public key services, firmware loading, several engines (one arbiter serves all pairs in turn, whatever
 * service their requests ask for), SR-IOV, the mailbox between functions.
 */
import { invariant } from '../../../bits/invariant.ts';
import { MMIO_REFUSED } from '../../../spec/events/pcie.ts';
import { QAT_DOORBELL_RUNG, QAT_PAIR_RESET } from '../../../spec/events/qat.ts';
import { BANK_REGISTER_BYTES } from '../../../spec/qat/registers.ts';
import type { EventQueue, EventTarget } from '../../core/event-queue.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import type { ResetKind, UpstreamPort } from '../../pcie/ports.ts';
import { EndpointFunction } from '../shared/endpoint-function.ts';
import { Endpoint, isTableAccess, type EndpointState } from '../shared/endpoint.ts';
import { qatConfigIssues, qatSettings, type QatConfig, type QatSettings } from './config.ts';
import { QAT_PLACES, qatBarBytes, qatConfigSpace } from './config-space.ts';
import type { CryptoPort } from './crypto-port.ts';
import { QatExecutor } from './executor.ts';
import { QatInterrupts } from './interrupts.ts';
import { RingPair, type RingPairState } from './ring-pair.ts';
import { QAT_TIMING } from './timing.ts';

export interface QatDeviceOptions {
  readonly name: string;
  readonly config: QatConfig;
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
  /** Without it every request of a service ends as unsupported. */
  readonly crypto?: CryptoPort;
}

export interface QatState {
  readonly version: 1;
  readonly endpoint: EndpointState;
  readonly pairs: readonly RingPairState[];
  /** Ring pair that the arbiter looks at first. */
  readonly next: number;
  readonly isServing: boolean;
}

const EVENT = { serve: 0, coalesce: 1 } as const;
const FUNCTION_MASK = 7;

export class QatDevice extends EndpointFunction<QatState> implements EventTarget {
  readonly name: string;
  readonly settings: QatSettings;
  readonly barBytes: readonly number[];
  readonly hasServices: boolean;
  readonly #queue: EventQueue;
  readonly #trace: Trace;
  readonly #target: number;
  readonly endpoint: Endpoint;
  readonly #pairs: readonly RingPair[];
  readonly #executor: QatExecutor;
  readonly #interrupts: QatInterrupts;
  #next = 0;
  #isServing = false;

  constructor({ name, config, port, queue, trace, crypto }: QatDeviceOptions) {
    super();
    this.name = name;
    this.settings = qatSettings(config);
    const [issue] = qatConfigIssues(this.settings);
    invariant(issue === undefined, `${name}: ${issue?.path ?? ''}: ${issue?.message ?? ''}`);
    const { settings } = this;
    this.barBytes = [qatBarBytes(settings), 0, 0, 0, 0, 0];
    this.hasServices = crypto !== undefined;
    this.#queue = queue;
    this.#trace = trace;
    this.#target = queue.register(this);
    this.endpoint = new Endpoint({
      name,
      block: qatConfigSpace(settings, port.rid & FUNCTION_MASK),
      barBytes: this.barBytes,
      port,
      trace,
      msixEntries: settings.msixEntries,
      imsEntries: settings.imsEntries,
      atcEntries: settings.atcEntries,
      onFunctionLevelReset: () => {
        this.reset('function-level');
      },
    });
    this.#pairs = Array.from(
      { length: settings.ringPairs },
      (_, index) =>
        new RingPair(index, (pair, write) => {
          this.#onDidWrite(pair, write);
        }),
    );
    this.#executor = new QatExecutor({
      endpoint: this.endpoint,
      trace,
      crypto,
      maxTransfer: settings.maxTransfer,
    });
    this.#interrupts = new QatInterrupts(this.endpoint, trace, (delayNs, pair) => {
      queue.schedule(delayNs, this.#target, EVENT.coalesce, pair.index);
    });
  }

  /** Ring pairs for panes and tests; they are not to be written through this. */
  get pairs(): readonly RingPair[] {
    return this.#pairs;
  }

  mmioRead(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    if (!isTableAccess(offset, bytes)) {
      this.#refuse(bar, offset, bytes);
      return (1n << BigInt(8 * bytes)) - 1n;
    }
    const { msixFace, imsFace } = this.endpoint;
    if (isIn(offset, QAT_PLACES.msixTable, msixFace.tableBytes)) {
      return msixFace.readTable(offset - QAT_PLACES.msixTable, bytes);
    }
    if (isIn(offset, QAT_PLACES.msixPba, msixFace.pendingBytes)) {
      return msixFace.readPending(offset - QAT_PLACES.msixPba, bytes);
    }
    if (isIn(offset, QAT_PLACES.ims, imsFace.bytes)) {
      return imsFace.read(offset - QAT_PLACES.ims, bytes);
    }
    const file = this.#bankHalf(offset);
    return file === undefined ? 0n : file.read(offset % this.#halfBytes, bytes);
  }

  mmioWrite(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (!isTableAccess(offset, bytes)) {
      this.#refuse(bar, offset, bytes);
      return;
    }
    const { msixFace, imsFace } = this.endpoint;
    if (isIn(offset, QAT_PLACES.msixTable, msixFace.tableBytes)) {
      msixFace.writeTable(offset - QAT_PLACES.msixTable, bytes, value);
    } else if (isIn(offset, QAT_PLACES.ims, imsFace.bytes)) {
      imsFace.write(offset - QAT_PLACES.ims, bytes, value);
    } else {
      this.#bankHalf(offset)?.write(offset % this.#halfBytes, bytes, value);
    }
  }

  onDue(operation: number, a: number): void {
    if (operation === EVENT.coalesce) {
      this.#interrupts.expire(this.#pairs[a] as RingPair);
    } else {
      this.#serve();
    }
  }

  reset(kind: ResetKind): void {
    for (const operation of Object.values(EVENT)) {
      this.#queue.cancel(this.#target, operation);
    }
    this.endpoint.reset(kind);
    for (const pair of this.#pairs) {
      pair.reset(false);
    }
    this.#next = 0;
    this.#isServing = false;
  }

  snapshot(): QatState {
    return {
      version: 1,
      endpoint: this.endpoint.snapshot(),
      pairs: this.#pairs.map((pair) => pair.snapshot()),
      next: this.#next,
      isServing: this.#isServing,
    };
  }

  restore(state: QatState): void {
    this.endpoint.restore(state.endpoint);
    this.#pairs.forEach((pair, i) => {
      const saved = state.pairs[i];
      invariant(saved !== undefined, `${this.name}: the state lacks ring pair ${i}`);
      pair.restore(saved);
    });
    this.#next = state.next;
    this.#isServing = state.isServing;
  }

  get #halfBytes(): number {
    return this.settings.bankBytes / 2;
  }

  /** The register file of half a bank, undefined between the registers. */
  #bankHalf(offset: number): RingPair['fast'] | undefined {
    const { bankBytes } = this.settings;
    const inside = offset - QAT_PLACES.banks;
    const pair = this.#pairs[Math.floor(inside / bankBytes)];
    if (inside < 0 || inside % this.#halfBytes >= BANK_REGISTER_BYTES) {
      return undefined;
    }
    return inside % bankBytes < this.#halfBytes ? pair?.fast : pair?.config;
  }

  #onDidWrite(pair: RingPair, { register, written }: RegisterWrite): void {
    if (register.name === 'REQUEST_TAIL') {
      pair.doorbell = this.#trace.record(
        QAT_DOORBELL_RUNG,
        this.endpoint.source,
        pair.index,
        pair.requestTail,
        pair.requestHead,
      );
    }
    if (register.name === 'RING_PAIR_RESET' && ((written[0] ?? 0) & 1) !== 0) {
      this.#resetPair(pair);
      return;
    }
    if (register.name === 'FLAG_AND_COALESCE_ENABLE') {
      this.#interrupts.writeFlagAndCoalesceEnable(pair, written[0] ?? 0);
    }
    this.#interrupts.update(pair);
    this.#wake(QAT_TIMING.doorbellNs);
  }

  /** The arbiter looks at the ring pairs, unless it does already. */
  #wake(delayNs: number): void {
    if (!this.#isServing && this.#pairs.some((pair) => pair.isReady)) {
      this.#isServing = true;
      this.#queue.schedule(delayNs, this.#target, EVENT.serve);
    }
  }

  /** Round robin: one request of the next pair that is ready. */
  #serve(): void {
    this.#isServing = false;
    const count = this.#pairs.length;
    for (let i = 0; i < count; i++) {
      const pair = this.#pairs[(this.#next + i) % count] as RingPair;
      if (pair.isReady) {
        this.#next = (pair.index + 1) % count;
        // Whoever rang for this pair, not whoever woke the arbiter.
        const saved = this.#trace.enter(pair.doorbell);
        const busyNs = this.#executor.run(pair);
        if (pair.isHalted) {
          this.#interrupts.reportException(pair);
        }
        this.#interrupts.update(pair);
        this.#trace.cause = saved;
        this.#wake(busyNs);
        return;
      }
    }
  }

  #resetPair(pair: RingPair): void {
    this.#queue.cancel(this.#target, EVENT.coalesce, pair.index);
    pair.reset(true);
    pair.config.set('RING_PAIR_RESET_STATUS', 'DONE', 1);
    this.#trace.record(QAT_PAIR_RESET, this.endpoint.source, pair.index);
  }

  #refuse(bar: number, offset: number, bytes: number): void {
    const reason = `An access of ${bytes} bytes; registers take 4 or 8 aligned ones`;
    this.#trace.record(MMIO_REFUSED, this.endpoint.source, bar, offset, reason);
  }
}

function isIn(offset: number, at: number, bytes: number): boolean {
  return offset >= at && offset < at + bytes;
}
