/** Descriptors and completion records as fields with names, by the declaration of their operation. */
import { fieldRows, type FieldRowData } from '../../../bits/field-rows.ts';
import type { LayoutContext } from '../../../bits/layout.ts';
import type { Structure } from '../../../bits/structure.ts';
import {
  descriptorStructure,
  findOperation,
  recordStructure,
} from '../../../spec/dsa/operations.ts';
import { STATUS_TEXTS, type StatusText } from '../../../spec/dsa/status-codes.ts';

export type FieldValues = Readonly<Record<string, number | bigint>>;

export interface DecodedDescriptor {
  readonly operation: number;
  readonly title: string;
  readonly structure: Structure;
  readonly values: FieldValues;
  readonly rows: readonly FieldRowData[];
}

export interface DecodedRecord {
  readonly structure: Structure;
  readonly values: FieldValues;
  readonly rows: readonly FieldRowData[];
  readonly status: number;
  /** Undefined while the record is empty (status 0). */
  readonly text: StatusText | undefined;
}

const OPCODE_SHIFT = 24;
const STATUS_MASK = 0x3f;

/** Decodes 16 words of a descriptor. */
export function decodeDescriptor(
  words: ArrayLike<number>,
  context?: LayoutContext,
): DecodedDescriptor {
  const operation = (words[1] ?? 0) >>> OPCODE_SHIFT;
  const structure = descriptorStructure(operation);
  return {
    operation,
    title: findOperation(operation)?.title ?? `Operation ${operation}`,
    structure,
    values: structure.decode(words) as FieldValues,
    rows: fieldRows(structure, structure.source, words, context),
  };
}

/** Decodes the 8 words of a completion record of an operation. */
export function decodeCompletionRecord(
  words: ArrayLike<number>,
  operation: number,
  context?: LayoutContext,
): DecodedRecord {
  const structure = recordStructure(operation);
  const status = (words[0] ?? 0) & STATUS_MASK;
  return {
    structure,
    values: structure.decode(words) as FieldValues,
    rows: fieldRows(structure, structure.source, words, context),
    status,
    text: STATUS_TEXTS[status],
  };
}
