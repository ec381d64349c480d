/**
 * Where a paused script waits. The port is called synchronously from inside the engine and blocks until somebody decides
 * how to go on; meanwhile it may look at the script through the inspector.
 */
import type { ControlWord } from './control-word.ts';
import type { CallSite } from './sdk/sdk-module.ts';

export type PauseReason = 'start' | 'breakpoint' | 'step' | 'pause' | 'run-to';

export interface PauseLocation extends CallSite {
  readonly endLine: number;
  readonly actor: string;
  readonly reason: PauseReason;
  /**
   * Which statement of the run is about to begin, counted from 1. The same in every run of the same files, so
   * `pauseAtStatement` comes back to it.
   */
  readonly ordinal: number;
}

export interface StackFrame extends CallSite {
  readonly functionName: string;
}

export interface ScriptVariable {
  readonly name: string;
  /** As the console prints it; undefined while the variable is not initialised. */
  readonly value: string | undefined;
  readonly scope: 'local' | 'module';
}

export interface Evaluation {
  readonly text: string;
  readonly isError: boolean;
}

/** Looks at a paused script. Valid until the pause port returns. */
export interface ScriptInspector {
  /** Innermost first. */
  stack(): readonly StackFrame[];
  /** Variables in reach of the paused statement, innermost first, then those of its module. */
  variables(): readonly ScriptVariable[];
  /** A watch expression: sees the same variables, may call read-only functions, cannot assign. */
  evaluate(expression: string): Evaluation;
}

export type ResumeCommand =
  | { readonly kind: 'resume' }
  | { readonly kind: 'step'; readonly by: 'over' | 'into' | 'out' }
  | { readonly kind: 'run-to'; readonly path: string; readonly line: number }
  | { readonly kind: 'stop' };

export interface PausePort {
  pausedAt(location: PauseLocation, inspect: ScriptInspector): ResumeCommand;
}

/** Never waits: for runs without a debugger. */
export const NO_PAUSE: PausePort = { pausedAt: () => ({ kind: 'resume' }) };

export interface BlockingPauseOptions {
  readonly control: ControlWord;
  /** Handles the messages that have come in; answers how to go on once one of them says so. */
  readonly pump: (inspect: ScriptInspector) => ResumeCommand | undefined;
  readonly onPaused?: (location: PauseLocation, inspect: ScriptInspector) => void;
  /** Longest sleep between two looks at the messages, should a ring be lost. */
  readonly pollMilliseconds?: number;
}

/**
 * A port for a worker thread: sleeps on the control word's bell, handles messages when it rings. The sending thread posts
 * its message first and rings then. A stop request ends the pause by itself.
 */
export function createBlockingPausePort(options: BlockingPauseOptions): PausePort {
  const { control, pump, onPaused, pollMilliseconds = 100 } = options;
  return {
    pausedAt: (location, inspect) => {
      onPaused?.(location, inspect);
      while (!control.isStopRequested) {
        const seen = control.rings;
        const command = pump(inspect);
        if (command !== undefined) return command;
        control.sleep(seen, pollMilliseconds);
      }
      return { kind: 'stop' };
    },
  };
}
