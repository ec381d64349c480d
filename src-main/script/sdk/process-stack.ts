/** In whose name user-side calls are made: the actor's own process, or the one a script acts as for a while. */
import type { Process } from '../../linux/mm/process.ts';
import type { SdkEnvironment } from './environment.ts';
import { ScriptError } from './sdk-module.ts';

export class ProcessStack {
  readonly #environment: SdkEnvironment;
  readonly #acting: Process[] = [];

  constructor(environment: SdkEnvironment) {
    this.#environment = environment;
  }

  /** The process that calls now. Throws for the script when it has ended: a dead program makes no calls. */
  current(actor: string): Process {
    const process = this.#acting.at(-1) ?? this.#environment.processOf(actor);
    if (process.isAlive) return process;
    const why = process.signal === null ? 'it has exited' : `it got ${process.signal}`;
    throw new ScriptError(`The process ${process.name} is gone: ${why}`);
  }

  /** Runs `body` as `process`. */
  actAs<T>(process: Process, body: () => T): T {
    this.#acting.push(process);
    try {
      return body();
    } finally {
      this.#acting.pop();
    }
  }
}
