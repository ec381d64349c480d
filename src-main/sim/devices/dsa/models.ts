/** Which model executes which operation code. */
import { OPCODE } from '../../../spec/dsa/operations.ts';
import { cacheFlush } from './operations/cache-flush.ts';
import { compare, comparePattern } from './operations/compare.ts';
import { copyWithCrc, crcGeneration } from './operations/crc.ts';
import { applyDelta, createDelta } from './operations/delta.ts';
import { difCheck, difInsert, difStrip, difUpdate, dixGenerate } from './operations/dif.ts';
import { drain } from './operations/drain.ts';
import { dualcast } from './operations/dualcast.ts';
import { fill } from './operations/fill.ts';
import { memoryMove } from './operations/memory-move.ts';
import { noop } from './operations/noop.ts';
import type { OperationModel } from './operations/operation.ts';
import { translationFetch } from './operations/translation-fetch.ts';

const CODES = 256;

const STATELESS: Readonly<Record<number, OperationModel>> = {
  [OPCODE.noop]: noop,
  [OPCODE.drain]: drain,
  [OPCODE.memoryMove]: memoryMove,
  [OPCODE.fill]: fill,
  [OPCODE.compare]: compare,
  [OPCODE.comparePattern]: comparePattern,
  [OPCODE.createDelta]: createDelta,
  [OPCODE.applyDelta]: applyDelta,
  [OPCODE.dualcast]: dualcast,
  [OPCODE.translationFetch]: translationFetch,
  [OPCODE.crc]: crcGeneration,
  [OPCODE.copyCrc]: copyWithCrc,
  [OPCODE.difCheck]: difCheck,
  [OPCODE.difInsert]: difInsert,
  [OPCODE.difStrip]: difStrip,
  [OPCODE.difUpdate]: difUpdate,
  [OPCODE.dixGenerate]: dixGenerate,
  [OPCODE.cacheFlush]: cacheFlush,
};

/** All models by operation code; `own` are those that belong to one device. */
export function operationModels(
  own: Readonly<Record<number, OperationModel>>,
): readonly (OperationModel | undefined)[] {
  return Array.from({ length: CODES }, (_, code) => own[code] ?? STATELESS[code]);
}
