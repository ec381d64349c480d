/**
 * Portals: what happens to the 64 bytes that a CPU sends. DSA 3.0 sections 3.3, 5.3 and 9.3.
 *
 *     queue            deferrable write (ENQCMD)   posted write (MOVDIR64B)
 *     shared           accepted or Retry           vanishes
 *     dedicated        Retry                       accepted; when full: dropped, software error 53h
 *     disabled, none   Retry                       vanishes
 *
 * The PASID is resolved here, once: from the descriptor for a shared queue, from WQCFG for a dedicated one.
 */
import { DESCRIPTOR_WORDS } from '../../../spec/dsa/descriptor.ts';
import { PORTAL_SHIFT, WQ_PORTALS_SHIFT } from '../../../spec/dsa/portals.ts';
import { DEVICE_ERROR } from '../../../spec/dsa/status-codes.ts';
import { WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import { DESCRIPTOR_ENQUEUED, PORTAL_IGNORED, PORTAL_RETRIED } from '../../../spec/events/dsa.ts';
import type { Trace } from '../../core/trace.ts';
import type { BlockWriteKind, BlockWriteResult } from '../../pcie/ports.ts';
import { COUNTER, type DsaCounters } from './counters.ts';
import type { ErrorReport } from './error-report.ts';
import type { WorkQueues } from './work-queues.ts';

const PASID_MASK = 0xf_ffff;
const IMS_PAGES = 2;

export interface PortalUnits {
  readonly trace: Trace;
  readonly source: number;
  readonly wqs: WorkQueues;
  readonly counters: DsaCounters;
  readonly errors: ErrorReport;
  readonly hasIms: boolean;
  readonly isHalted: () => boolean;
  /** A queue got its first descriptor or another one. */
  readonly onEnqueued: (wq: number) => void;
}

export class Portals {
  readonly #u: PortalUnits;

  constructor(units: PortalUnits) {
    this.#u = units;
  }

  /** A 64-byte write at an offset of BAR2. */
  write(offset: number, words: Uint32Array, kind: BlockWriteKind): BlockWriteResult {
    const wq = offset >>> WQ_PORTALS_SHIFT;
    const page = (offset >>> PORTAL_SHIFT) & 3;
    const { wqs } = this.#u;
    if (wq < wqs.count) {
      const at = wq * DESCRIPTOR_WORDS;
      for (let i = 0; i < DESCRIPTOR_WORDS; i++) {
        wqs.staged[at + i] = words[i] as number;
      }
    }
    const obstacle = this.#obstacle(wq, page);
    if (obstacle !== '') {
      return this.#refuse(wq, page, words, kind, obstacle);
    }
    return kind === 'posted'
      ? this.#writePosted(wq, page, words)
      : this.#writeDeferrable(wq, page, words);
  }

  /** A write that no queue can take, to the dummy portal. */
  writeDummy(words: Uint32Array, kind: BlockWriteKind): BlockWriteResult {
    return this.#refuse(-1, 0, words, kind, 'this is the dummy portal');
  }

  /** A write of another size than 64 bytes. */
  ignoreNarrow(offset: number, bytes: number): void {
    const { trace, source } = this.#u;
    const page = (offset >>> PORTAL_SHIFT) & 3;
    trace.record(
      PORTAL_IGNORED,
      source,
      offset >>> WQ_PORTALS_SHIFT,
      page,
      `portals take 64 bytes, not ${bytes}`,
    );
  }

  /** Why the queue takes nothing at all; empty when it may. */
  #obstacle(wq: number, page: number): string {
    const { wqs, hasIms, isHalted } = this.#u;
    if (wq >= wqs.count) {
      return 'there is no such WQ';
    }
    if (isHalted()) {
      return 'the device is halted';
    }
    if (wqs.state[wq] !== WQ_STATE.enabled) {
      return 'the WQ is not enabled';
    }
    return page >= IMS_PAGES && !hasIms ? 'the device has no IMS portals' : '';
  }

  #writePosted(wq: number, page: number, words: Uint32Array): BlockWriteResult {
    const { wqs, counters, errors } = this.#u;
    if (wqs.isDedicated[wq] === 0) {
      return this.#refuse(wq, page, words, 'posted', 'a shared WQ takes only ENQCMD and ENQCMDS');
    }
    const pasid = wqs.dedicatedPasid(wq);
    const row = counters.pasidRow(pasid);
    if ((wqs.occupancy[wq] as number) >= (wqs.size[wq] as number)) {
      counters.add(COUNTER.dwqFull, wq, row);
      errors.reportDevice(DEVICE_ERROR.wqFull, wq);
      return this.#refuse(wq, page, words, 'posted', 'the dedicated WQ is full');
    }
    counters.add(COUNTER.dwqAccept, wq, row);
    this.#enqueue(wq, page, words, pasid, wqs.dedicatedPriv(wq), row);
    return 'accepted';
  }

  #writeDeferrable(wq: number, page: number, words: Uint32Array): BlockWriteResult {
    const { wqs, counters } = this.#u;
    if (wqs.isDedicated[wq] === 1) {
      return this.#refuse(wq, page, words, 'deferrable', 'a dedicated WQ takes only MOVDIR64B');
    }
    const head = words[0] as number;
    const pasid = head & PASID_MASK;
    const row = counters.pasidRow(pasid);
    const isLimited = (page & 1) === 1;
    const limit = isLimited ? wqs.limit(wq) : (wqs.size[wq] as number);
    if ((wqs.occupancy[wq] as number) >= limit) {
      counters.add(isLimited ? COUNTER.swqRetryLimited : COUNTER.swqRetryUnlimited, wq, row);
      return this.#refuse(
        wq,
        page,
        words,
        'deferrable',
        isLimited ? 'the threshold is reached' : 'the WQ is full',
      );
    }
    counters.add(isLimited ? COUNTER.swqAcceptLimited : COUNTER.swqAcceptUnlimited, wq, row);
    this.#enqueue(wq, page, words, pasid, head >>> 31, row);
    return 'accepted';
  }

  #enqueue(
    wq: number,
    page: number,
    words: Uint32Array,
    pasid: number,
    priv: number,
    row: number,
  ): void {
    const { wqs, trace, source, onEnqueued } = this.#u;
    wqs.push(wq, words, pasid, priv, page, row);
    if (!trace.isOn) {
      onEnqueued(wq);
      return;
    }
    trace.begin(DESCRIPTOR_ENQUEUED, source);
    trace.num(wq);
    trace.num(page);
    trace.num(pasid);
    trace.num((words[1] as number) >>> 24);
    trace.num(wqs.occupancy[wq] as number);
    trace.u64(words[3] as number, words[2] as number);
    const seq = trace.end();
    wqs.setLastSeq(wq, seq);
    const saved = trace.enter(seq);
    onEnqueued(wq);
    trace.cause = saved;
  }

  #refuse(
    wq: number,
    page: number,
    words: Uint32Array,
    kind: BlockWriteKind,
    reason: string,
  ): BlockWriteResult {
    const { wqs, trace, source, counters } = this.#u;
    if (kind === 'deferrable') {
      const occupancy = wq >= 0 && wq < wqs.count ? (wqs.occupancy[wq] as number) : 0;
      trace.record(
        PORTAL_RETRIED,
        source,
        wq,
        page,
        (words[0] as number) & PASID_MASK,
        occupancy,
        reason,
      );
      return 'retry';
    }
    if (wq >= 0 && wq < wqs.count) {
      counters.addWq(COUNTER.ignored, wq);
    }
    trace.record(PORTAL_IGNORED, source, wq, page, reason);
    return 'dropped';
  }
}
