/**
 * Update Window: the owner of an inter-domain entry moves the window that others may reach. DSA 3.0 sections 3.14 and
 * 8.3. It waits for descriptors in progress (`drains.ts`) unless told not to.
 */
import { bigOf } from '../../../../bits/u64.ts';
import type { InterDomain, WindowFields } from '../inter-domain.ts';
import type { Job } from '../job.ts';
import { RUN, WORD, type OperationModel } from './operation.ts';

const FLAGS_WORD = 15;
const ENABLE = 0x100;
const OFFSET = 0x200;

export function windowHandle(job: Job): number {
  return (job.words[FLAGS_WORD] as number) >>> 16;
}

export function windowFields({ words }: Job): WindowFields {
  const flags = words[FLAGS_WORD] as number;
  return {
    base: bigOf(words[WORD.address1 + 1] as number, words[WORD.address1] as number),
    size: bigOf(words[WORD.address2 + 1] as number, words[WORD.address2] as number),
    isEnabled: (flags & ENABLE) !== 0,
    isOffset: (flags & OFFSET) !== 0,
  };
}

/** The model needs the table, so every device makes its own. */
export class UpdateWindow implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = false;
  readonly #table: InterDomain;
  readonly #onDidUpdate: (handle: number, window: WindowFields) => void;

  constructor(table: InterDomain, onDidUpdate: (handle: number, window: WindowFields) => void) {
    this.#table = table;
    this.#onDidUpdate = onDidUpdate;
  }

  check(job: Job): number {
    return this.#table.checkUpdate(job, windowHandle(job), windowFields(job));
  }

  plan(job: Job): void {
    job.clearAccesses();
    job.chunk = 0;
  }

  /** The entry may have changed while the descriptor waited. */
  run(job: Job): number {
    const status = this.check(job);
    if (status !== 0) {
      return status;
    }
    const handle = windowHandle(job);
    const window = windowFields(job);
    this.#table.update(handle, window);
    this.#onDidUpdate(handle, window);
    return RUN.done;
  }
}
