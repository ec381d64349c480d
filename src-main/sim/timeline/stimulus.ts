/**
 * Stimuli: the calls of software that can change a machine, kept so that a replay can make them again.
 *
 * Each remembers how long the trace was when it began and which record was its cause: sequence numbers and causes of the
 * replay are then those of the run. Reads change nothing and are not kept.
 */
import type { EventKind } from '../../spec/events/event.ts';
import type { PlainData } from '../hardware-port.ts';
import type { IsolationCall } from '../isolation/isolation-port.ts';
import type { MachineHardware } from '../machine-hardware.ts';
import { applyVmxCall, type VmxCall } from './vmx-call.ts';

export type StimulusCall =
  | { readonly op: 'memory-write'; readonly address: number; readonly bytes: Uint8Array }
  | { readonly op: 'memory-write-64'; readonly address: number; readonly value: bigint }
  | {
      readonly op: 'mmio-write';
      readonly address: number;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly value: bigint;
    }
  | {
      readonly op: 'config-write';
      readonly rid: number;
      readonly offset: number;
      readonly bytes: 1 | 2 | 4;
      readonly value: number;
    }
  | {
      readonly op: 'movdir64b' | 'enqcmd' | 'enqcmds';
      readonly cpu: number;
      readonly address: number;
      readonly words: Uint32Array;
    }
  | {
      readonly op: 'write-msr';
      readonly cpu: number;
      readonly index: number;
      readonly value: bigint;
    }
  | { readonly op: 'read-msr'; readonly cpu: number; readonly index: number }
  | { readonly op: 'advance'; readonly untilNs: number }
  | { readonly op: 'next-event'; readonly limitNs: number }
  | { readonly op: 'take-interrupt'; readonly cpu: number }
  | {
      readonly op: 'emit';
      readonly kind: EventKind;
      readonly source: string;
      readonly values: readonly (number | bigint | string | boolean)[];
    }
  | { readonly op: 'vmx'; readonly call: VmxCall }
  | { readonly op: 'isolation'; readonly call: IsolationCall }
  | { readonly op: 'publish'; readonly key: string; readonly value: PlainData | undefined };

export interface Stimulus {
  /** Length of the trace when the call began. */
  readonly seq: number;
  /** Record that the call follows from. */
  readonly cause: number;
  readonly call: StimulusCall;
}

/** Makes the call on a machine. Stops inside an `advance` when the trace reaches `stopAtRecord`. */
export function applyStimulus(
  hardware: MachineHardware,
  stimulus: Stimulus,
  stopAtRecord: number,
): void {
  const { call } = stimulus;
  hardware.machine.trace.cause = stimulus.cause;
  switch (call.op) {
    case 'memory-write':
      hardware.memoryWrite(call.address, call.bytes);
      return;
    case 'memory-write-64':
      hardware.memoryWrite64(call.address, call.value);
      return;
    case 'mmio-write':
      hardware.mmioWrite(call.address, call.bytes, call.value);
      return;
    case 'config-write':
      hardware.configWrite(call.rid, call.offset, call.bytes, call.value);
      return;
    case 'movdir64b':
      hardware.movdir64b(call.cpu, call.address, call.words);
      return;
    case 'enqcmd':
      hardware.enqcmd(call.cpu, call.address, call.words);
      return;
    case 'enqcmds':
      hardware.enqcmds(call.cpu, call.address, call.words);
      return;
    case 'write-msr':
      hardware.writeMsr(call.cpu, call.index, call.value);
      return;
    case 'read-msr':
      hardware.readMsr(call.cpu, call.index);
      return;
    case 'advance':
      hardware.advanceUntil(call.untilNs, stopAtRecord);
      return;
    case 'next-event':
      hardware.advanceToNextEvent(call.limitNs);
      return;
    case 'take-interrupt':
      hardware.takeInterrupt(call.cpu);
      return;
    case 'vmx':
      applyVmxCall(hardware.vmx, call.call);
      return;
    case 'isolation':
      hardware.isolation?.tell(call.call);
      return;
    case 'emit':
      hardware.emit(call.kind, call.source, ...call.values);
      return;
    default:
      hardware.publish(call.key, call.value);
  }
}
