/** No-op: only signals completion; with Fence it is a barrier in a batch. DSA 3.0 section 8.3. */
import type { Job } from '../job.ts';
import { RUN, type OperationModel } from './operation.ts';

class Noop implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = false;

  check(): number {
    return 0;
  }

  plan(job: Job): void {
    job.clearAccesses();
    job.chunk = 0;
  }

  run(): number {
    return RUN.done;
  }
}

export const noop: OperationModel = new Noop();
