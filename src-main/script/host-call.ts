/** The call in progress as host functions see it: the implementation of `HostCall`. */
import type { Cell, Sandbox } from './sandbox.ts';
import { ArgumentRefused } from './sdk/sdk-module.ts';
import type {
  CallPurpose,
  CallSite,
  ConsoleLevel,
  HostCall,
  ScriptRecord,
} from './sdk/sdk-module.ts';
import type { ValueBridge } from './value-bridge.ts';
import type { ValuePrinter } from './value-printer.ts';

/** What a call needs from the run it belongs to. */
export interface CallEnvironment {
  readonly purpose: CallPurpose;
  readonly sandbox: Sandbox;
  readonly bridge: ValueBridge;
  readonly printer: ValuePrinter;
  /** Walks the guest stack. */
  site(): CallSite;
  actorOf(path: string): string;
  print(level: ConsoleLevel, compose: () => string, locate: () => CallSite): void;
  /** Ends the script by throwing when a stop was requested. */
  checkStop(): void;
  /** Of the run, not of watches: the host has a turn. A script that does little itself asks for it only here. */
  betweenCalls(): void;
}

export interface CallIdentity {
  readonly module: string;
  readonly functionName: string;
  /** Undefined when it has to be found from the calling file: globals, properties of host objects. */
  readonly actor?: string | undefined;
}

export class HostCallContext implements HostCall {
  readonly module: string;
  readonly functionName: string;
  readonly #environment: CallEnvironment;
  readonly #args: readonly Cell[];
  readonly #actor: string | undefined;
  #site: CallSite | undefined = undefined;

  constructor(environment: CallEnvironment, identity: CallIdentity, args: readonly Cell[]) {
    this.#environment = environment;
    this.module = identity.module;
    this.functionName = identity.functionName;
    this.#actor = identity.actor;
    this.#args = args;
  }

  get actor(): string {
    return this.#actor ?? this.#environment.actorOf(this.site().path);
  }

  get purpose(): CallPurpose {
    return this.#environment.purpose;
  }

  get path(): string {
    return this.site().path;
  }

  get line(): number {
    return this.site().line;
  }

  get column(): number {
    return this.site().column;
  }

  get argumentCount(): number {
    return this.#args.length;
  }

  site(): CallSite {
    this.#site ??= this.#environment.site();
    return this.#site;
  }

  textOf(index: number): string {
    const cell = this.#args[index];
    return cell === undefined ? 'undefined' : this.#environment.printer.printTop(cell);
  }

  copyTo(index: number, bytes: Uint8Array, offset = 0): void {
    const cell = this.#args[index];
    if (cell !== undefined && this.#environment.bridge.writeBytes(cell, offset, bytes)) return;
    const end = offset + bytes.length;
    throw new ArgumentRefused(
      `argument ${String(index + 1)} must be a Uint8Array of at least ${String(end)} bytes`,
    );
  }

  assignTo(index: number, fields: ScriptRecord): void {
    const cell = this.#args[index];
    if (cell === undefined || this.#environment.sandbox.kindOf(cell) !== 'object') {
      throw new ArgumentRefused(`argument ${String(index + 1)} must be an object to fill`);
    }
    this.#environment.bridge.assign(cell, fields);
  }

  checkStop(): void {
    this.#environment.checkStop();
  }

  print(level: ConsoleLevel, compose: () => string): void {
    this.#environment.print(level, compose, () => this.site());
  }
}
