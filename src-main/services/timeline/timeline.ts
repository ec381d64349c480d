/**
 * One run seen at any instant: the live machine at the head, replicas before it. Two replicas, so that the instant shown
 * and the stop before it are both at hand when a view marks what changed.
 */
import type { TimelineState } from '../../protocol/lab-api.ts';
import {
  kindOf,
  readRecord,
  recordText,
  Replica,
  type Machine,
  type Recorder,
  type Trace,
} from '../../sim/index.ts';
import type { EventKind } from '../../spec/events/event.ts';
import { SCRIPT_CALLED } from '../../spec/events/script.ts';
import { TraceQuery } from './trace-query.ts';

type Mark = TimelineState['marks'][number];

const MAX_MARKS = 400;

export class Timeline {
  readonly recorder: Recorder;
  readonly query: TraceQuery;
  #at: number | 'head' = 'head';
  /** The stop before the present one: what changes are measured from. */
  #before = 0;
  #present: Replica | undefined;
  #past: Replica | undefined;
  #marks: Mark[] = [];
  #markedUpTo = 0;

  constructor(recorder: Recorder) {
    this.recorder = recorder;
    this.query = new TraceQuery(this.trace);
  }

  get trace(): Trace {
    return this.recorder.machine.trace;
  }

  get head(): number {
    return this.trace.head;
  }

  get at(): number {
    return this.#at === 'head' ? this.head : this.#at;
  }

  get isLive(): boolean {
    return this.#at === 'head' || this.#at >= this.head;
  }

  /** The machine at the selected instant. Read it, never change it. */
  machine(): Machine {
    return this.isLive ? this.recorder.machine : this.#replica('present', this.at);
  }

  /** The machine at the stop before. */
  machineBefore(): Machine {
    return this.#replica('past', Math.min(this.#before, this.head));
  }

  get before(): number {
    return this.#before;
  }

  seek(at: number | 'head'): void {
    this.#before = this.at;
    this.#at = at === 'head' || at >= this.head ? 'head' : Math.max(0, at);
  }

  /** The live run has stopped again (breakpoint, step, end): the next changes count from here. */
  stopped(previousHead: number): void {
    this.#before = previousHead;
    this.#at = 'head';
  }

  /** The instant of the next stop in a direction: a record, or a statement of the script. */
  neighbour(by: 'statement' | 'record', direction: 'back' | 'forward'): number {
    const from = this.at;
    if (by === 'record') {
      return direction === 'back' ? Math.max(0, from - 1) : Math.min(this.head, from + 1);
    }
    return direction === 'back' ? this.#statementBefore(from) : this.#statementAfter(from);
  }

  state(): TimelineState {
    const machine = this.machine();
    const script = this.#script();
    return {
      head: this.head,
      tail: this.trace.tail,
      at: this.at,
      timeNs: this.#timeNs(),
      headTimeNs: this.recorder.nowNs,
      stateHash: machine.stateHash(),
      traceHash: this.trace.hash(),
      marks: this.marks(),
      ...(script !== undefined && { script }),
    };
  }

  marks(): readonly Mark[] {
    for (let seq = Math.max(this.#markedUpTo, this.trace.tail); seq < this.head; seq++) {
      const raw = this.trace.read(seq);
      const tone = raw === undefined ? undefined : kindOf(raw).mark;
      if (tone !== undefined && this.#marks.length < MAX_MARKS) {
        const record = readRecord(this.trace, seq);
        this.#marks.push({
          event: seq,
          tone,
          title: record === undefined ? '' : recordText(record),
        });
      }
    }
    this.#markedUpTo = this.head;
    return this.#marks;
  }

  #isStatement(seq: number): boolean {
    const raw = this.trace.read(seq);
    return raw !== undefined && kindOf(raw) === (SCRIPT_CALLED as unknown as EventKind);
  }

  /** Software takes time of its own between events: the last record says how late it was. */
  #timeNs(): number {
    return this.isLive
      ? this.recorder.nowNs
      : (readRecord(this.trace, this.at - 1)?.timeNs ?? this.machine().queue.nowNs);
  }

  /** The line that was at work: that of the last call at or before the selected instant. */
  #script(): TimelineState['script'] {
    for (let seq = this.at - 1; seq >= this.trace.tail; seq--) {
      if (this.#isStatement(seq)) {
        const values = readRecord(this.trace, seq)?.values ?? {};
        return { path: String(values['path']), line: Number(values['line']) };
      }
    }
    return undefined;
  }

  #statementBefore(from: number): number {
    for (let seq = from - 1; seq > this.trace.tail; seq--) {
      if (this.#isStatement(seq)) {
        return seq;
      }
    }
    return this.trace.tail;
  }

  #statementAfter(from: number): number {
    for (let seq = from + 1; seq < this.head; seq++) {
      if (this.#isStatement(seq)) {
        return seq;
      }
    }
    return this.head;
  }

  #replica(which: 'present' | 'past', at: number): Machine {
    const replica =
      which === 'present'
        ? (this.#present ??= new Replica(this.recorder))
        : (this.#past ??= new Replica(this.recorder));
    replica.seek(at);
    return replica.machine;
  }
}
