/**
 * An engine in memory: every command answers with rich sample data, and a run produces events. For component tests and
 * for looking at the window without an engine. It simulates nothing.
 */
import { AppError, RPC_ERROR } from '../../src-main/protocol/app-error.ts';
import type { Disposable } from '../../src-main/protocol/channel.ts';
import {
  LAB_API_VERSION,
  type FileRevision,
  type LabView,
  type RunState,
  type TimelineState,
} from '../../src-main/protocol/lab-api.ts';
import { Emitter } from '../../src-renderer/api/emitter.ts';
import type {
  ConnectionStatus,
  LabClient,
  LabCommand,
  LabEvent,
  LabEventData,
  LabParams,
  LabResult,
} from '../../src-renderer/api/lab-client.ts';
import { fakeCourse } from './fake-lab/course.ts';
import { FAKE_CHECKS, FAKE_RESULTS, fakeLab } from './fake-lab/lab.ts';
import { fakeLocate, fakeRecord, fakeTracePage, fakeWhy } from './fake-lab/trace.ts';
import { fakeView } from './fake-lab/views.ts';

type Handlers = { readonly [N in LabCommand]: (params: LabParams<N>) => LabResult<N> };
type Override = (params: never) => unknown;

export interface RecordedCall {
  readonly name: LabCommand;
  readonly params: unknown;
}

export interface FakeOptions {
  /** Milliseconds before an answer; 0 answers in a microtask. */
  readonly delayMs?: number;
  /** Records that a run produces. */
  readonly events?: number;
  /** Milliseconds between two steps of a run; 0 finishes at once. */
  readonly tickMs?: number;
}

const SLICES = 20;

export class FakeLabClient implements LabClient {
  readonly calls: RecordedCall[] = [];
  readonly #options: Required<FakeOptions>;
  readonly #emitters = new Map<LabEvent, Emitter<never>>();
  readonly #connectionEmitter = new Emitter<ConnectionStatus>();
  readonly #overrides = new Map<LabCommand, Override>();
  readonly #files = new Map<string, string>();
  readonly #revisions = new Map<string, { readonly info: FileRevision; readonly text: string }[]>();
  readonly #layouts = new Map<string, string>();
  readonly #handlers: Handlers;
  #status: ConnectionStatus = { state: 'open', attempt: 0, generation: 1 };
  #lab: LabView | null = null;
  #run: RunState = { state: 'idle', runId: 0, problems: [] };
  #timeline: TimelineState = {
    head: 0,
    tail: 0,
    at: 0,
    timeNs: 0,
    headTimeNs: 0,
    stateHash: '9c41f0aa27b3d5e1',
    traceHash: '51aa02cc',
    marks: [],
  };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FakeOptions = {}) {
    this.#options = { delayMs: 0, events: 2_000, tickMs: 0, ...options };
    this.#handlers = this.#createHandlers();
  }

  get connection(): ConnectionStatus {
    return this.#status;
  }

  async call<N extends LabCommand>(name: N, params: LabParams<N>): Promise<LabResult<N>> {
    this.calls.push({ name, params });
    if (this.#status.state !== 'open') {
      throw new AppError(RPC_ERROR.disconnected, 'The lab engine is not connected');
    }
    const { delayMs } = this.#options;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    else await Promise.resolve();
    const override = this.#overrides.get(name);
    if (override !== undefined) return (await override(params as never)) as LabResult<N>;
    return this.#handlers[name](params);
  }

  on<N extends LabEvent>(event: N, listener: (data: LabEventData<N>) => void): Disposable {
    return this.#emitter(event).on(listener);
  }

  emit<N extends LabEvent>(event: N, data: LabEventData<N>): void {
    this.#emitter(event).emit(data);
  }

  onDidChangeConnection(listener: (status: ConnectionStatus) => void): Disposable {
    return this.#connectionEmitter.on(listener);
  }

  /** Replaces the answer of one command; an answer may be a promise or throw. */
  override<N extends LabCommand>(
    name: N,
    handler: (params: LabParams<N>) => LabResult<N> | Promise<LabResult<N>>,
  ): void {
    this.#overrides.set(name, handler);
  }

  restore(name: LabCommand): void {
    this.#overrides.delete(name);
  }

  callsOf<N extends LabCommand>(name: N): readonly LabParams<N>[] {
    return this.calls
      .filter((call) => call.name === name)
      .map((call) => call.params as LabParams<N>);
  }

  disconnect(): void {
    this.#setStatus({ state: 'lost', attempt: 1, generation: this.#status.generation });
  }

  reconnect(): void {
    if (this.#status.state === 'open') return;
    this.#setStatus({ state: 'open', attempt: 0, generation: this.#status.generation + 1 });
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  setStoredFile(labId: string, path: string, text: string): void {
    this.#files.set(`${labId}/${path}`, text);
  }

  storedFile(labId: string, path: string): string | undefined {
    return this.#files.get(`${labId}/${path}`);
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    this.#connectionEmitter.emit(status);
  }

  #emitter<N extends LabEvent>(event: N): Emitter<LabEventData<N>> {
    const known = this.#emitters.get(event) ?? new Emitter<never>();
    this.#emitters.set(event, known);
    return known as unknown as Emitter<LabEventData<N>>;
  }

  #openLab({ labId, seed = 7, profile = 'kvmforum2019' }: LabParams<'lab.open'>): LabView {
    const fresh = fakeLab(labId, seed, profile);
    const files = fresh.files.map((file) => {
      const text = this.storedFile(labId, file.path);
      return text === undefined ? file : { ...file, text, isStarter: text === file.text };
    });
    clearTimeout(this.#timer);
    this.#run = { state: 'idle', runId: this.#run.runId, problems: [] };
    this.#timeline = { ...this.#timeline, head: 0, at: 0, timeNs: 0, headTimeNs: 0, marks: [] };
    this.#lab = { ...fresh, files, checks: FAKE_CHECKS };
    return this.#lab;
  }

  #save(labId: string, path: string, text: string, reason: FileRevision['reason']): string {
    this.#files.set(`${labId}/${path}`, text);
    const list = this.#revisions.get(path) ?? [];
    const id = `r${String(list.length + 1)}`;
    const savedAt = new Date(Date.UTC(2026, 0, 5, 9, list.length)).toISOString();
    list.unshift({ info: { id, savedAt, bytes: text.length, reason }, text });
    this.#revisions.set(path, list);
    return id;
  }

  #setRun(run: RunState): RunState {
    this.#run = run;
    this.emit('run.state', run);
    return run;
  }

  #setTimeline(head: number, at: number): TimelineState {
    const marks = Array.from({ length: Math.floor(head / 103) }, (_, index) => ({
      event: index * 103 + 6,
      tone: (['fault', 'good', 'warning'] as const)[index % 3] ?? ('good' as const),
      title: 'Fault 59h recorded',
    })).filter((mark) => mark.event < head);
    this.#timeline = {
      ...this.#timeline,
      head,
      at,
      timeNs: 1_000 + at * 137,
      headTimeNs: 1_000 + head * 137,
      marks,
      stateHash: `9c41f0aa${at.toString(16).padStart(8, '0')}`,
    };
    this.emit('timeline.changed', this.#timeline);
    return this.#timeline;
  }

  #startRun(mode: 'run' | 'step'): RunState {
    const runId = this.#run.runId + 1;
    this.emit('console.lines', { lines: [{ level: 'system', text: 'Run started, seed 7' }] });
    if (mode === 'step') return this.#pauseAt(runId);
    this.#setRun({ state: 'running', runId, problems: [] });
    this.#tick(runId, 1);
    return this.#run;
  }

  #pauseAt(runId: number): RunState {
    this.#setTimeline(120, 120);
    return this.#setRun({
      state: 'paused',
      runId,
      position: { path: 'driver.ts', line: 9 },
      stack: [{ name: 'main', path: 'driver.ts', line: 9 }],
      locals: [
        { name: 'dev', value: 'struct pci_dev 6a:01.0' },
        { name: 'pasid', value: '0x11' },
        { name: 'domain', value: 'iommu_domain { did: 0x21 }' },
      ],
      problems: [],
      message: 'Stopped before driver.ts line 9',
    });
  }

  #tick(runId: number, slice: number): void {
    if (this.#run.runId !== runId || this.#run.state !== 'running') return;
    const head = Math.floor((this.#options.events * slice) / SLICES);
    this.#setTimeline(head, head);
    if (slice < SLICES && this.#options.tickMs > 0) {
      this.#timer = setTimeout(() => this.#tick(runId, slice + 1), this.#options.tickMs);
      return;
    }
    this.#finish(runId);
  }

  #finish(runId: number): void {
    this.#setTimeline(this.#options.events, this.#options.events);
    this.emit('console.lines', {
      lines: [
        { level: 'probe', text: '0x11', path: 'driver.ts', line: 8 },
        { level: 'probe', text: '0', path: 'driver.ts', line: 9 },
        { level: 'log', text: 'mapped 40000000', path: 'driver.ts', line: 15 },
        { level: 'log', text: 'mapped 40001000', path: 'driver.ts', line: 15 },
        {
          level: 'warn',
          text: 'iommu: stale translation of PASID 0x11 used at 0x0000000040001000',
        },
        { level: 'error', text: 'guest: status 0x1a (page fault)', path: 'guest.ts', line: 6 },
        { level: 'system', text: 'Finished after 2000 events' },
      ],
    });
    this.emit('checks.changed', { checks: FAKE_RESULTS });
    this.#setRun({
      state: 'finished',
      runId,
      problems: [{ path: 'driver.ts', line: 10, column: 5, message: 'rc is never negative here' }],
      message: 'The script ended',
    });
  }

  #createHandlers(): Handlers {
    return {
      'app.info': () => ({ version: '0.1.0', apiVersion: LAB_API_VERSION }),
      'course.get': () => fakeCourse(),
      'lab.open': (params) => this.#openLab(params),
      'lab.predict': () => ({ isRecorded: true }),
      'progress.reset': () => fakeCourse(),
      'file.save': ({ labId, path, text }) => ({
        revision: this.#save(labId, path, text, 'autosave'),
      }),
      'file.history': ({ path }) => ({
        revisions: (this.#revisions.get(path) ?? []).map((entry) => entry.info),
      }),
      'file.read-revision': ({ path, revision }) => ({
        text: this.#revisions.get(path)?.find((entry) => entry.info.id === revision)?.text ?? '',
      }),
      'file.reset': ({ labId, path }) => {
        const text =
          fakeLab(labId, 7, 'iommufd').files.find((file) => file.path === path)?.text ?? '';
        this.#save(labId, path, text, 'reset');
        return { text };
      },
      'run.start': ({ mode }) => this.#startRun(mode),
      'run.breakpoints': ({ breakpoints }) => ({
        lines: breakpoints.map(({ line }) => (line > 20 ? null : line)),
      }),
      'run.pause': () => this.#pauseAt(this.#run.runId),
      'run.resume': ({ step }) => {
        if (step !== undefined) return this.#pauseAt(this.#run.runId);
        this.#setRun({ state: 'running', runId: this.#run.runId, problems: [] });
        this.#tick(this.#run.runId, 10);
        return this.#run;
      },
      'run.stop': () => {
        clearTimeout(this.#timer);
        return this.#setRun({
          state: 'stopped',
          runId: this.#run.runId,
          problems: [],
          message: 'Stopped by you',
        });
      },
      'run.evaluate': ({ expression }) => ({
        text: `${expression} = 0x11`,
        isError: expression.includes('!'),
      }),
      'run.state': () => this.#run,
      'timeline.state': () => this.#timeline,
      'timeline.seek': ({ at }) =>
        this.#setTimeline(
          this.#timeline.head,
          at === 'head' ? this.#timeline.head : Math.min(at, this.#timeline.head),
        ),
      'timeline.step': ({ direction }) => {
        const at = this.#timeline.at + (direction === 'back' ? -1 : 1);
        return this.#setTimeline(
          this.#timeline.head,
          Math.max(0, Math.min(this.#timeline.head, at)),
        );
      },
      'trace.page': ({ filter, from, count }) =>
        fakeTracePage(filter, from, count, this.#timeline.head),
      'trace.locate': ({ filter, event }) => ({ index: fakeLocate(filter, event) }),
      'trace.record': ({ event }) => fakeRecord(event),
      'trace.why': ({ event }) => fakeWhy(event),
      'view.get': ({ view, params }) => fakeView(view, params),
      'checks.get': () => ({ checks: this.#run.state === 'finished' ? FAKE_RESULTS : FAKE_CHECKS }),
      'console.get': () => ({ lines: [] }),
      'layout.save': ({ name, layout }) => {
        this.#layouts.set(name, layout);
        return { isSaved: true };
      },
      'layout.load': ({ name }) => ({ layout: this.#layouts.get(name) ?? null }),
    };
  }
}
