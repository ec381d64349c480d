/**
 * A second machine that shows the past of a run. It takes over the nearest keyframe and makes the stimuli after it again,
 * so the live machine, and a script that waits on it, are never disturbed.
 */
import { invariant } from '../../bits/invariant.ts';
import { MachineHardware } from '../machine-hardware.ts';
import { Machine } from '../machine.ts';
import type { Keyframe, Recorder } from './recorder.ts';
import { applyStimulus, type Stimulus } from './stimulus.ts';

export class Replica {
  readonly machine: Machine;
  readonly #hardware: MachineHardware;
  readonly #recorder: Recorder;
  /** Where the replica is: stimuli completed, and whether one was left in the middle. */
  #done = 0;
  #isInside = false;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    const { crypto } = recorder.machine;
    this.machine = new Machine({
      ...(crypto === undefined ? {} : { crypto }),
      config: recorder.machine.config,
      trace: { mode: 'count' },
      store: recorder.machine.memory.store,
    });
    this.#hardware = new MachineHardware(this.machine);
    this.#restore(recorder.keyframes[0] as Keyframe);
  }

  /** The instant shown: length of the trace. */
  get at(): number {
    return this.machine.trace.head;
  }

  /**
   * Shows the state right after the step that holds record `at - 1`. A step is one stimulus, or one thing that was due;
   * records of one step belong together, so the result may lie a few records further.
   */
  seek(at: number): void {
    const target = Math.max(0, Math.min(at, this.#recorder.machine.trace.head));
    const keyframe = this.#keyframeBefore(target);
    if (target < this.at || keyframe.seq > this.at || this.#isInside) {
      this.#restore(keyframe);
    }
    const { stimuli } = this.#recorder;
    while (this.#done < stimuli.length) {
      const next = stimuli[this.#done] as Stimulus;
      // What software publishes or tells leaves no record: it belongs to the record before it.
      if (next.seq >= target && next.call.op !== 'publish' && next.call.op !== 'isolation') {
        break;
      }
      invariant(
        next.seq === this.at,
        `Replay diverged: stimulus ${this.#done} began at record ${next.seq}, the replica is at ${this.at}`,
      );
      applyStimulus(this.#hardware, next, target);
      const following = stimuli[this.#done + 1];
      const end = following?.seq ?? this.#recorder.machine.trace.head;
      if (this.at < end) {
        this.#isInside = true;
        return;
      }
      this.#done++;
    }
  }

  #keyframeBefore(target: number): Keyframe {
    const { keyframes } = this.#recorder;
    let low = 0;
    let high = keyframes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((keyframes[middle] as Keyframe).seq <= target) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return keyframes[low] as Keyframe;
  }

  #restore(keyframe: Keyframe): void {
    this.machine.restore(keyframe.state);
    this.machine.trace.resetTo(keyframe.seq, keyframe.cause, keyframe.state.timeNs);
    this.#done = keyframe.stimuli;
    this.#isInside = false;
  }
}
