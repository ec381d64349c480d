/**
 * LabApi: every command and event that crosses from a host to the engine's session, in one declaration.
 *
 * Transports (in-process, MessagePort, WebSocket), the typed client, the request validation and the contract tests all
 * derive from `labApi`. Commands answer once; events are pushed. Times are simulated nanoseconds unless the name says
 * otherwise, 64-bit values are `0x…` strings.
 */
import * as v from 'valibot';
import { command, event } from './define-api.ts';
import { VIEW_IDS, type ObjectRefs, type Section, type ViewLink, type ViewModel } from './views.ts';

export const LAB_API_VERSION = 1;

// ---- course and labs -------------------------------------------------------------------------------------------------

export type LabLevel = 'beginner' | 'intermediate' | 'advanced' | 'expert';
export type KernelProfile = 'kvmforum2019' | 'iommufd';

export interface LabSummary {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly level: LabLevel;
  readonly minutes: number;
  readonly needs: readonly string[];
  readonly concepts: readonly string[];
  readonly progress: LabProgress;
}

export interface LabProgress {
  readonly state: 'new' | 'started' | 'passed';
  readonly checksPassed: number;
  readonly checksTotal: number;
}

export interface CourseView {
  readonly labs: readonly LabSummary[];
  /** The one obvious next step. */
  readonly nextLabId: string | null;
  readonly glossary: readonly GlossaryTerm[];
}

export interface GlossaryTerm {
  readonly id: string;
  readonly term: string;
  readonly short: string;
  readonly source: string;
}

/** A block of a guide step; `html` never occurs, text is Markdown without raw HTML. */
export type GuideBlock =
  | { readonly kind: 'markdown'; readonly text: string }
  | { readonly kind: 'note' | 'why'; readonly text: string }
  | { readonly kind: 'spec'; readonly source: string; readonly text: string }
  | { readonly kind: 'hint'; readonly id: string; readonly level: 1 | 2 | 3; readonly text: string }
  | { readonly kind: 'check'; readonly checkId: string }
  | {
      readonly kind: 'predict';
      readonly id: string;
      readonly field: string;
      readonly question: string;
      readonly options?: readonly string[];
    };

export interface GuideStep {
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly GuideBlock[];
}

export interface LabFile {
  readonly path: string;
  readonly role: 'edit' | 'read';
  readonly actor: 'host-driver' | 'vdcm' | 'guest-driver' | 'application';
  readonly text: string;
  /** False once the learner has changed it. */
  readonly isStarter: boolean;
}

export interface LabView {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly profiles: readonly KernelProfile[];
  readonly profile: KernelProfile;
  readonly seed: number;
  readonly layout: string;
  readonly focus: { readonly path: string; readonly line: number } | null;
  readonly steps: readonly GuideStep[];
  readonly files: readonly LabFile[];
  readonly checks: readonly CheckResult[];
  /** d.ts texts for the editor, one for each importable module. */
  readonly types: readonly { readonly path: string; readonly text: string }[];
  readonly nextLabId: string | null;
}

export interface CheckResult {
  readonly id: string;
  readonly step: string;
  readonly status: 'pass' | 'fail' | 'error' | 'notRun';
  readonly kind: 'essential' | 'actionable' | 'informative' | 'celebratory';
  readonly title: string;
  readonly message: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly at?: {
    readonly event?: number;
    readonly object?: string;
    readonly field?: string;
    readonly link?: ViewLink;
    readonly script?: { readonly path: string; readonly line: number };
  };
  readonly evidence?: readonly number[];
  /** Hint to open next. */
  readonly next?: string;
}

// ---- runs, time, trace -----------------------------------------------------------------------------------------------

export interface ScriptProblem {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface RunState {
  readonly state: 'idle' | 'running' | 'paused' | 'finished' | 'failed' | 'stopped';
  /** Increases with every start; events of older runs are to be dropped. */
  readonly runId: number;
  readonly position?: { readonly path: string; readonly line: number };
  /** Innermost first; only while paused. */
  readonly stack?: readonly {
    readonly name: string;
    readonly path: string;
    readonly line: number;
  }[];
  readonly locals?: readonly { readonly name: string; readonly value: string }[];
  readonly problems: readonly ScriptProblem[];
  /** Why it stopped, in one sentence. */
  readonly message?: string;
}

export interface TimelineState {
  /** Number of trace records; records are numbered 0 to head-1. */
  readonly head: number;
  /** The oldest record still kept. */
  readonly tail: number;
  /** The selected instant: the state right after record `at - 1`; `at === head` is live. */
  readonly at: number;
  readonly timeNs: number;
  readonly headTimeNs: number;
  /** Script line that the selected instant belongs to. */
  readonly script?: { readonly path: string; readonly line: number };
  /** Hash of the machine's state at the selected instant. */
  readonly stateHash: string;
  readonly traceHash: string;
  /** Records worth a mark on the timeline: faults, completions, script lines that stopped. */
  readonly marks: readonly {
    readonly event: number;
    readonly tone: 'fault' | 'good' | 'warning';
    readonly title: string;
  }[];
}

export interface TraceRow {
  readonly seq: number;
  readonly timeNs: number;
  readonly source: string;
  readonly kind: string;
  readonly level: 'info' | 'guest-error' | 'unimplemented' | 'debug';
  /** One readable line. */
  readonly text: string;
  readonly refs: ObjectRefs;
  readonly cause: number | null;
}

export interface TracePage {
  /** Records that match the filter, in all. */
  readonly total: number;
  readonly rows: readonly TraceRow[];
}

export interface TraceRecordView extends TraceRow {
  readonly title: string;
  /** What this kind of record means, one teaching sentence. */
  readonly meaning: string;
  readonly sourceSection: string;
  readonly data: readonly {
    readonly name: string;
    readonly value: string;
    readonly title: string;
  }[];
}

/** The chain from an effect back to the learner's line. First element is the effect. */
export interface WhyView {
  readonly event: number;
  readonly summary: string;
  readonly links: readonly {
    readonly event: number;
    readonly title: string;
    readonly text: string;
    readonly refs: ObjectRefs;
    readonly sections?: readonly Section[];
  }[];
}

export interface ConsoleLine {
  readonly level: 'log' | 'info' | 'warn' | 'error' | 'system' | 'probe';
  readonly text: string;
  readonly path?: string;
  readonly line?: number;
}

export interface FileRevision {
  readonly id: string;
  /** ISO 8601 wall-clock time of the save. */
  readonly savedAt: string;
  readonly bytes: number;
  readonly reason: 'autosave' | 'run' | 'restore' | 'reset';
}

// ---- schemas of parameters -------------------------------------------------------------------------------------------

const LabId = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,79}$/));
const FilePath = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.ts$/));
const Hex = v.pipe(v.string(), v.regex(/^0x[0-9a-fA-F]{1,16}$/));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const Line = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000_000));
const Empty = v.strictObject({});
const MAX_FILE_CHARS = 1_000_000;

export const ViewParamsSchema = v.strictObject({
  rid: v.optional(Hex),
  pasid: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xf_ffff))),
  unit: v.optional(v.pipe(v.string(), v.maxLength(80))),
  queue: v.optional(v.pipe(v.string(), v.maxLength(80))),
  address: v.optional(Hex),
  length: v.optional(v.pipe(Count, v.maxValue(65_536))),
  access: v.optional(v.picklist(['read', 'write', 'execute'])),
  event: v.optional(Count),
  filter: v.optional(v.pipe(v.string(), v.maxLength(200))),
});

export const TraceFilterSchema = v.strictObject({
  /** Words that must all occur in kind, source or text; `-word` excludes. */
  text: v.optional(v.pipe(v.string(), v.maxLength(200))),
  kinds: v.optional(v.array(v.string())),
  levels: v.optional(v.array(v.picklist(['info', 'guest-error', 'unimplemented', 'debug']))),
  pasid: v.optional(Count),
  rid: v.optional(Hex),
});
export type TraceFilter = v.InferOutput<typeof TraceFilterSchema>;

/** BCP 47 tag of the window's language; English where a lab has no text in it. */
const Language = v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/)));

const Breakpoints = v.array(v.strictObject({ path: FilePath, line: Line }));

export const labApi = {
  version: LAB_API_VERSION,
  commands: {
    'app.info': command<typeof Empty, { readonly version: string; readonly apiVersion: number }>(
      Empty,
    ),

    'course.get': command(v.strictObject({ language: Language })).returns<CourseView>(),
    'lab.open': command(
      v.strictObject({
        labId: LabId,
        seed: v.optional(Count),
        profile: v.optional(v.picklist(['kvmforum2019', 'iommufd'])),
        language: Language,
      }),
    ).returns<LabView>(),
    'lab.predict': command(
      v.strictObject({
        labId: LabId,
        predictId: v.string(),
        answer: v.pipe(v.string(), v.maxLength(400)),
      }),
    ).returns<{ readonly isRecorded: true }>(),
    'progress.reset': command(v.strictObject({ labId: v.optional(LabId) })).returns<CourseView>(),

    'file.save': command(
      v.strictObject({
        labId: LabId,
        path: FilePath,
        text: v.pipe(v.string(), v.maxLength(MAX_FILE_CHARS)),
      }),
    ).returns<{ readonly revision: string }>(),
    'file.history': command(v.strictObject({ labId: LabId, path: FilePath })).returns<{
      readonly revisions: readonly FileRevision[];
    }>(),
    'file.read-revision': command(
      v.strictObject({ labId: LabId, path: FilePath, revision: v.string() }),
    ).returns<{ readonly text: string }>(),
    'file.reset': command(v.strictObject({ labId: LabId, path: FilePath })).returns<{
      readonly text: string;
    }>(),

    'run.start': command(
      v.strictObject({
        labId: LabId,
        /** `step` stops before the first statement. */
        mode: v.picklist(['run', 'step']),
        breakpoints: Breakpoints,
      }),
    ).returns<RunState>(),
    'run.breakpoints': command(v.strictObject({ breakpoints: Breakpoints })).returns<{
      /** Where each really stops: snapped to the next statement, null where there is none. */
      readonly lines: readonly (number | null)[];
    }>(),
    'run.pause': command<typeof Empty, RunState>(Empty),
    'run.resume': command(
      v.strictObject({ step: v.optional(v.picklist(['over', 'into', 'out'])) }),
    ).returns<RunState>(),
    'run.stop': command<typeof Empty, RunState>(Empty),
    'run.evaluate': command(
      v.strictObject({ expression: v.pipe(v.string(), v.maxLength(1_000)) }),
    ).returns<{ readonly text: string; readonly isError: boolean }>(),
    'run.state': command<typeof Empty, RunState>(Empty),

    'timeline.state': command<typeof Empty, TimelineState>(Empty),
    /** Moves the selected instant. `at` counts records; `'head'` is live. */
    'timeline.seek': command(
      v.strictObject({ at: v.union([Count, v.literal('head')]) }),
    ).returns<TimelineState>(),
    /** One stop back or forward: a script statement, or a trace record. */
    'timeline.step': command(
      v.strictObject({
        by: v.picklist(['statement', 'record']),
        direction: v.picklist(['back', 'forward']),
      }),
    ).returns<TimelineState>(),

    'trace.page': command(
      v.strictObject({
        filter: TraceFilterSchema,
        from: Count,
        count: v.pipe(Count, v.maxValue(2_000)),
      }),
    ).returns<TracePage>(),
    /** Position of a record among those that match the filter, -1 when it does not match. */
    'trace.locate': command(v.strictObject({ filter: TraceFilterSchema, event: Count })).returns<{
      readonly index: number;
    }>(),
    'trace.record': command(v.strictObject({ event: Count })).returns<TraceRecordView>(),
    'trace.why': command(v.strictObject({ event: Count })).returns<WhyView>(),

    'view.get': command(
      v.strictObject({ view: v.picklist(VIEW_IDS), params: ViewParamsSchema }),
    ).returns<ViewModel>(),

    'checks.get': command<typeof Empty, { readonly checks: readonly CheckResult[] }>(Empty),
    'console.get': command<typeof Empty, { readonly lines: readonly ConsoleLine[] }>(Empty),
    'layout.save': command(
      v.strictObject({
        name: v.pipe(v.string(), v.maxLength(80)),
        layout: v.pipe(v.string(), v.maxLength(200_000)),
      }),
    ).returns<{ readonly isSaved: true }>(),
    'layout.load': command(v.strictObject({ name: v.pipe(v.string(), v.maxLength(80)) })).returns<{
      readonly layout: string | null;
    }>(),
  },
  events: {
    'run.state': event<RunState>(),
    'timeline.changed': event<TimelineState>(),
    'checks.changed': event<{ readonly checks: readonly CheckResult[] }>(),
    'console.lines': event<{ readonly lines: readonly ConsoleLine[] }>(),
    'course.changed': event<CourseView>(),
    /** Storing failed; the text is still in memory and in the editor. */
    'storage.problem': event<{ readonly message: string; readonly hint: string }>(),
    /** The worker was replaced after it stopped answering; work is kept, the run is gone. */
    'session.restarted': event<{ readonly message: string }>(),
  },
} as const;

export type LabApi = typeof labApi;
