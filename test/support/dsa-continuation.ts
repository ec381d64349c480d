/**
 * What software does after a partial completion: the descriptor for the rest. DSA 3.0 sections 3.13 and 8.3, table of
 * continuations. Written from the table, not from the device.
 */
import { OPCODE, descriptorStructure } from '../../src-main/spec/dsa/operations.ts';
import { DIF_BLOCK_BYTES } from '../../src-main/spec/dsa/operation-descriptors.ts';

type Values = Record<string, number | bigint>;

const plus = (value: number | bigint | undefined, by: number): bigint =>
  BigInt(value ?? 0) + BigInt(by);

function difContinuation(opcode: number, values: Values, record: Values, done: number): Values {
  const block = DIF_BLOCK_BYTES[Number(values['block'])] as number;
  const hasField = opcode !== OPCODE.difInsert && opcode !== OPCODE.dixGenerate;
  const blocks = done / (hasField ? block + 8 : block);
  const written =
    opcode === OPCODE.difStrip
      ? block
      : opcode === OPCODE.dixGenerate
        ? 8
        : opcode === OPCODE.difCheck
          ? 0
          : block + 8;
  const next: Values = {
    ...values,
    source: plus(values['source'], done),
    size: Number(values['size']) - done,
  };
  if (written > 0) {
    next['destination'] = plus(values['destination'], blocks * written);
  }
  for (const name of ['sourceRef', 'sourceApp', 'destinationRef', 'destinationApp']) {
    if (name in next && name in record) {
      next[name] = record[name] as number;
    }
  }
  return next;
}

/** Words of the descriptor that continues `words` after a record with partial completion. */
export function continuationOf(words: Uint32Array, record: Values): Uint32Array {
  const opcode = (words[1] as number) >>> 24;
  const structure = descriptorStructure(opcode);
  const values = structure.decode(words) as Values;
  const done = Number(record['bytesCompleted']);
  const left = Number(values['size']) - done;
  const advance = (...names: readonly string[]): Values => ({
    ...values,
    size: left,
    ...Object.fromEntries(names.map((name) => [name, plus(values[name], done)])),
  });
  const encode = (next: Values): Uint32Array => structure.encode(next as never);
  switch (opcode) {
    case OPCODE.memoryMove:
      return encode(
        record['result'] === 1 ? { ...values, size: left } : advance('source', 'destination'),
      );
    case OPCODE.fill:
    case OPCODE.cacheFlush:
      return encode(advance('destination'));
    case OPCODE.compare:
      return encode(advance('source1', 'source2'));
    case OPCODE.comparePattern:
      return encode(advance('source'));
    case OPCODE.createDelta:
      return encode({
        ...advance('source1', 'source2'),
        delta: plus(values['delta'], Number(record['deltaSize'])),
        maxDeltaSize: Number(values['maxDeltaSize']) - Number(record['deltaSize']),
      });
    case OPCODE.applyDelta:
      return encode({
        ...values,
        delta: plus(values['delta'], done),
        deltaSize: Number(values['deltaSize']) - done,
      });
    case OPCODE.dualcast:
      return encode(advance('source', 'destination', 'destination2'));
    case OPCODE.crc:
      return encode({
        ...advance('source'),
        ...(done > 0 ? { seed: record['crc'] as bigint } : {}),
      });
    case OPCODE.copyCrc:
      return encode({
        ...advance('source', 'destination'),
        ...(done > 0 ? { seed: record['crc'] as bigint } : {}),
      });
    default:
      return encode(difContinuation(opcode, values, record, done));
  }
}
