/**
 * Keeps one session's machine worker alive and answering. Requests and answers pass through; beside
 * them it watches the worker's heartbeat, enforces Stop, and replaces a worker that hangs or dies.
 * The new worker starts from what is on disk.
 */
import { RPC_ERROR } from '../../protocol/app-error.ts';
import type { Channel, Disposable } from '../../protocol/channel.ts';
import type { CommandName, EventName } from '../../protocol/define-api.ts';
import type { LabApi } from '../../protocol/lab-api.ts';
import type { RpcRequest } from '../../protocol/rpc-message.ts';
import { parseRequest, parseServerMessage } from '../../protocol/rpc-message.ts';
import type { Log } from '../log/log.ts';
import type { MachineLink, MachineLinkListener } from './machine-link.ts';

type Command = CommandName<LabApi>;

const STOP: Command = 'run.stop';
/** Asked again of a new worker, so that it shows what the old one showed. */
const REPLAYED: readonly Command[] = ['lab.open', 'run.breakpoints'];
const RESTARTED: EventName<LabApi> = 'session.restarted';

export const SUPERVISOR_TIMING = {
  /** Stop that is not obeyed this long ends the worker: a promise of 200 ms to the learner. */
  stopGraceMs: 150,
  watchIntervalMs: 250,
  /**
   * Watch intervals without a heartbeat before a worker that runs learner code is replaced: ten seconds. One call of a script
   * may boot a machine, on a slow computer that has other work; Stop ends a script at any time.
   */
  lateWhileRunning: 40,
  /** The same for the engine's own work, which may rightly take long. */
  lateWhileBusy: 120,
  /** More crashes than this within the window, and the next worker waits for a request. */
  crashLimit: 3,
  crashWindowMs: 10_000,
};

export interface MachineSupervisor {
  /** Serves one client; an earlier one is closed. The worker stays when the client goes. */
  attach(channel: Channel): Disposable;
  dispose(): Promise<void>;
}

export interface MachineSupervisorOptions {
  readonly start: (listener: MachineLinkListener) => MachineLink;
  readonly log: Log;
  readonly timing?: Partial<typeof SUPERVISOR_TIMING>;
}

interface Pending {
  readonly request: RpcRequest;
  /** The client to answer, null for the supervisor's own requests. */
  readonly client: Channel | null;
  readonly clientId: number;
}

export function createMachineSupervisor(options: MachineSupervisorOptions): MachineSupervisor {
  return new Supervisor(options);
}

class Supervisor implements MachineSupervisor {
  readonly #start: MachineSupervisorOptions['start'];
  readonly #log: Log;
  readonly #timing: typeof SUPERVISOR_TIMING;
  readonly #pending = new Map<number, Pending>();
  readonly #replay = new Map<string, unknown>();
  readonly #stopTimers = new Set<NodeJS.Timeout>();
  readonly #watch: NodeJS.Timeout;
  #link: MachineLink | null;
  #client: Channel | null = null;
  #nextId = 0;
  #lastHeartbeat = 0;
  #lateIntervals = 0;
  #crashes: number[] = [];
  #isDisposed = false;

  constructor({ start, log, timing }: MachineSupervisorOptions) {
    this.#start = start;
    this.#log = log;
    this.#timing = { ...SUPERVISOR_TIMING, ...timing };
    this.#link = this.#startLink();
    this.#watch = setInterval(() => this.#checkHeartbeat(), this.#timing.watchIntervalMs);
    this.#watch.unref();
  }

  attach(channel: Channel): Disposable {
    this.#client?.close();
    this.#client = channel;
    const messages = channel.onMessage((message) => this.#onRequest(channel, message));
    const detach = (): void => {
      messages.dispose();
      if (this.#client === channel) this.#client = null;
    };
    channel.onClose(detach);
    return { dispose: detach };
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    clearInterval(this.#watch);
    for (const timer of this.#stopTimers) clearTimeout(timer);
    this.#client?.close();
    await this.#link?.close();
  }

  #startLink(): MachineLink {
    this.#lastHeartbeat = 0;
    this.#lateIntervals = 0;
    const link = this.#start({
      onMessage: (message) => {
        if (this.#link === link || this.#link === null) this.#onAnswer(message);
      },
      onLog: ({ level, text }) => this.#log[level](text),
      onCrash: (reason) => {
        if (this.#link === link) this.#onCrash(reason);
      },
    });
    return link;
  }

  #onRequest(client: Channel, message: unknown): void {
    const request = parseRequest(message);
    if (request === null) {
      this.#log.warn('Dropped a message that is not a request');
      return;
    }
    if ((REPLAYED as readonly string[]).includes(request.method)) {
      this.#replay.set(request.method, request.params);
    }
    this.#link ??= this.#startLink();
    const id = this.#forward({ request, client, clientId: request.id });
    if (request.method === STOP) this.#enforceStop(id);
  }

  #forward(pending: Pending): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pending.set(id, pending);
    this.#link?.send({ id, method: pending.request.method, params: pending.request.params });
    return id;
  }

  #onAnswer(message: unknown): void {
    const answer = parseServerMessage(message);
    if (answer === null) {
      this.#log.error('The machine worker sent something that is not a message');
      return;
    }
    if ('event' in answer) {
      this.#client?.send(answer);
      return;
    }
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (pending?.client === this.#client) {
      pending?.client?.send({ ...answer, id: pending.clientId });
    }
  }

  /** Stop must work in native loops too, where the sandbox asks nobody: then the worker goes. */
  #enforceStop(id: number): void {
    const timer = setTimeout(() => {
      this.#stopTimers.delete(timer);
      const isIgnored = this.#pending.has(id) && this.#link?.control.state() === 'running';
      if (isIgnored) this.#replace('The script did not stop, so the machine was restarted');
    }, this.#timing.stopGraceMs);
    this.#stopTimers.add(timer);
  }

  #checkHeartbeat(): void {
    const control = this.#link?.control;
    if (control === undefined) return;
    const heartbeat = control.heartbeat();
    const state = control.state();
    if (heartbeat !== this.#lastHeartbeat || state === 'paused') {
      this.#lastHeartbeat = heartbeat;
      this.#lateIntervals = 0;
      return;
    }
    this.#lateIntervals += 1;
    const { lateWhileRunning, lateWhileBusy } = this.#timing;
    if (state === 'running' && this.#lateIntervals >= lateWhileRunning) {
      this.#replace('The script kept the machine from answering, so the machine was restarted');
    } else if (this.#lateIntervals >= lateWhileBusy) {
      this.#replace('The machine stopped answering and was restarted');
    }
  }

  #onCrash(reason: string): void {
    this.#log.error(`Machine worker died: ${reason}`);
    const now = performance.now();
    this.#crashes = [...this.#crashes, now].filter(
      (time) => now - time < this.#timing.crashWindowMs,
    );
    if (this.#crashes.length > this.#timing.crashLimit) {
      this.#link = null;
      this.#failPending(RPC_ERROR.sessionLost, 'The machine fails again and again at the start');
      return;
    }
    this.#replace('The machine failed and was restarted');
  }

  #replace(message: string): void {
    if (this.#isDisposed) return;
    this.#log.warn(message);
    const old = this.#link;
    const stops = [...this.#pending.values()].filter(({ request }) => request.method === STOP);
    this.#failPending(RPC_ERROR.sessionRestarted, message, STOP);
    this.#pending.clear();
    this.#client?.send({ event: RESTARTED, data: { message } });
    void old?.terminate();
    this.#link = this.#startLink();
    for (const [method, params] of this.#replay) {
      this.#forward({ request: { id: 0, method, params }, client: null, clientId: 0 });
    }
    for (const stop of stops) this.#forward(stop);
  }

  #failPending(code: string, message: string, except?: string): void {
    for (const [id, { request, client, clientId }] of [...this.#pending]) {
      if (request.method === except) continue;
      this.#pending.delete(id);
      if (client === this.#client) client?.send({ id: clientId, error: { code, message } });
    }
  }
}
