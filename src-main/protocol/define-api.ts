import type { GenericSchema, InferOutput } from 'valibot';

/** Carries a type without a value: what a command answers, what an event brings. */
interface Phantom<T> {
  readonly _type?: T;
}

/** One request of the boundary: its parameter schema at run time, its result type at compile time. */
export interface CommandSpec<P extends GenericSchema = GenericSchema, R = unknown> {
  readonly kind: 'command';
  readonly params: P;
  readonly result: Phantom<R>;
}

/** One notification from the service side to its clients. */
export interface EventSpec<D = unknown> {
  readonly kind: 'event';
  readonly data: Phantom<D>;
}

/** The whole boundary. Channel names, clients, servers and fakes are derived from such an object. */
export interface ApiSpec {
  readonly version: number;
  readonly commands: Readonly<Record<string, CommandSpec>>;
  readonly events: Readonly<Record<string, EventSpec>>;
}

/** A command whose result type can still be named. */
export interface CommandDraft<P extends GenericSchema, R> extends CommandSpec<P, R> {
  returns<T>(): CommandSpec<P, T>;
}

/**
 * Declares a command: `command(schema).returns<Result>()`. A type argument for the result alone is
 * not possible beside an inferred schema, hence the second step.
 */
export function command<P extends GenericSchema, R = void>(params: P): CommandDraft<P, R> {
  return {
    kind: 'command',
    params,
    result: {},
    returns: <T>(): CommandSpec<P, T> => ({ kind: 'command', params, result: {} }),
  };
}

/** Declares an event: `event<TraceAppended>()`. */
export function event<D>(): EventSpec<D> {
  return { kind: 'event', data: {} };
}

/** Keeps the literal names of an API declaration while checking its shape. */
export function defineApi<const A extends ApiSpec>(api: A): A {
  return api;
}

export type CommandName<A extends ApiSpec> = keyof A['commands'] & string;
export type EventName<A extends ApiSpec> = keyof A['events'] & string;

export type CommandParams<A extends ApiSpec, N extends CommandName<A>> = InferOutput<
  A['commands'][N]['params']
>;

export type CommandResult<A extends ApiSpec, N extends CommandName<A>> =
  A['commands'][N] extends CommandSpec<GenericSchema, infer R> ? R : never;

export type EventData<A extends ApiSpec, N extends EventName<A>> =
  A['events'][N] extends EventSpec<infer D> ? D : never;
