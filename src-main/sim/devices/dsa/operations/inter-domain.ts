/**
 * Inter-domain copy, fill, compare and compare pattern: the plain operations with one or both addresses in another
 * address space. DSA 3.0 section 3.14. The permission entries are checked once, before execution.
 */
import { OPCODE } from '../../../../spec/dsa/operations.ts';
import type { DomainUse, InterDomain } from '../inter-domain.ts';
import type { Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import { interDomainCompare, interDomainComparePattern } from './compare.ts';
import { interDomainFill } from './fill.ts';
import { interDomainCopy } from './memory-move.ts';
import { WORD, type CheckLimits, type OperationModel } from './operation.ts';

const ALTERNATE_1 = 0x1_0000;
const ALTERNATE_2 = 0x2_0000;
const HANDLES_WORD = 15;

class InterDomainOperation implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  readonly #plain: OperationModel;
  readonly #table: InterDomain;
  readonly #writesSecond: boolean;

  constructor(plain: OperationModel, table: InterDomain, writesSecond: boolean) {
    this.#plain = plain;
    this.#table = table;
    this.#writesSecond = writesSecond;
  }

  check(job: Job, limits: CheckLimits): number {
    const handles = job.words[HANDLES_WORD] as number;
    const uses: readonly (readonly [flag: number, use: DomainUse])[] = [
      [ALTERNATE_1, { domain: 1, handle: handles & 0xffff, isWrite: false, word: WORD.address1 }],
      [
        ALTERNATE_2,
        { domain: 2, handle: handles >>> 16, isWrite: this.#writesSecond, word: WORD.address2 },
      ],
    ];
    for (const [flag, use] of uses) {
      const status = (job.flags & flag) !== 0 ? this.#table.resolve(job, use) : 0;
      if (status !== 0) {
        return status;
      }
    }
    return this.#plain.check(job, limits);
  }

  plan(job: Job): void {
    this.#plain.plan(job);
  }

  run(job: Job, memory: MemoryAccess): number {
    return this.#plain.run(job, memory);
  }

  finish(job: Job): void {
    this.#plain.finish?.(job);
  }
}

/** The four operations of a device with its permission table. */
export function interDomainModels(table: InterDomain): Readonly<Record<number, OperationModel>> {
  return {
    [OPCODE.interDomainCopy]: new InterDomainOperation(interDomainCopy, table, true),
    [OPCODE.interDomainFill]: new InterDomainOperation(interDomainFill, table, true),
    [OPCODE.interDomainCompare]: new InterDomainOperation(interDomainCompare, table, false),
    [OPCODE.interDomainComparePattern]: new InterDomainOperation(
      interDomainComparePattern,
      table,
      false,
    ),
  };
}
