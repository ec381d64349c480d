/** `uapi/idxd`: descriptors and completion records of the accelerator as bytes, under Linux's names. */
import {
  AnyDescriptor,
  DESCRIPTOR_BYTES,
  FLAGS_MASK,
  FLAGS_WORD,
  RECORD_BYTES,
} from '../../spec/dsa/descriptor.ts';
import { descriptorStructure, findOperation, recordStructure } from '../../spec/dsa/operations.ts';
import { STATUS_TEXTS } from '../../spec/dsa/status-codes.ts';
import { asBytes, asRecord, asU64, asUnsigned } from './arguments.ts';
import { constantTypes, structureMembers } from './c-structures.ts';
import { pure } from './environment.ts';
import {
  COMPLETION_STATUSES,
  DESCRIPTOR_MEMBERS,
  DSA_OPCODES,
  OP_FLAGS,
  OP_FLAG_NOTES,
  RECORD_MEMBERS,
} from './idxd-uapi-names.ts';
import {
  ArgumentError,
  defineSdkModule,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';

const WIDE_BITS = 32;

const types = `/** A number or BigInt below 2^64. */
export type address = number | bigint;

/** What a descriptor asks for (\`struct dsa_hw_desc\`). Members of other operations are refused. */
export interface dsa_hw_desc_members {
  /** DSA_OPCODE_MEMMOVE and the like. */
  readonly opcode: number;
  /** IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR and the like; bits 23:16 belong to the operation. */
  readonly flags?: number;
  /** Counts only in a shared queue, and only from a kernel. */
  readonly pasid?: number;
  /** Counts only in a shared queue, and only from a kernel. */
  readonly priv?: 0 | 1;
  /** Where the completion record goes, aligned to 32 bytes. */
  readonly completion_addr?: address;
  readonly src_addr?: address;
  /** Second source of a compare. */
  readonly src2_addr?: address;
  readonly dst_addr?: address;
  /** Second destination of a dualcast. */
  readonly dest2?: address;
  /** Bytes. */
  readonly xfer_size?: number;
  /** Eight bytes to fill with. */
  readonly pattern?: address;
  readonly pattern_upper?: address;
  /** Eight bytes to compare with. */
  readonly comp_pattern?: address;
  /** Descriptors of a batch, aligned to 64 bytes. */
  readonly desc_list_addr?: address;
  readonly desc_count?: number;
  /** Which interrupt, with IDXD_OP_FLAG_RCI. */
  readonly int_handle?: number;
  readonly expected_res?: number;
  readonly expected_res_mask?: number;
  readonly delta_addr?: address;
  readonly max_delta_size?: number;
  readonly delta_rec_size?: number;
  readonly crc_seed?: address;
  readonly seed_addr?: address;
  readonly rdback_addr?: address;
  readonly rdback_addr2?: address;
  readonly transl_fetch_addr?: address;
  readonly region_size?: number;
  readonly region_stride?: number;
}

/** What the device answers (\`struct dsa_completion_record\`). */
export interface dsa_completion_record_members {
  /** 0 while there is none; DSA_COMP_SUCCESS and the like. */
  readonly status: number;
  readonly result: number;
  /** Bytes done before a fault; descriptors done of a batch. */
  readonly bytes_completed: number;
  readonly fault_addr: number | bigint;
  /** Which operand faulted: 1 source, 2 second source, 3 destination, 4 second destination. */
  readonly fault_operand: number;
  readonly fault_is_write: number;
  /** With DSA_COMP_INVALID_FLAGS: the flags that were wrong. */
  readonly invalid_flags?: number;
  readonly delta_rec_size?: number;
  readonly crc_val?: number | bigint;
}

/**
 * A descriptor: the ${String(DESCRIPTOR_BYTES)} bytes that movdir64b() and enqcmd() carry.
 *
 * \`\`\`ts
 * const desc = dsa_hw_desc({
 *   opcode: DSA_OPCODE_MEMMOVE,
 *   flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
 *   completion_addr: record, src_addr: from, dst_addr: to, xfer_size: 64,
 * });
 * \`\`\`
 */
export declare function dsa_hw_desc(members: dsa_hw_desc_members): Uint8Array;
/** A completion record: ${String(RECORD_BYTES)} bytes, decoded. \`opcode\` adds what only that operation reports. */
export declare function dsa_completion_record(bytes: Uint8Array, opcode?: number): dsa_completion_record_members;
/** What a completion status means, in words. */
export declare function dsa_status_text(status: number): string;

${constantTypes(DSA_OPCODES, (_name, value) => `Operation: ${findOperation(value)?.title ?? ''}.`)}
${constantTypes(OP_FLAGS, (name) => `Flag. ${OP_FLAG_NOTES[name as keyof typeof OP_FLAGS]}`)}
${constantTypes(COMPLETION_STATUSES, (_name, value) => `Status: ${STATUS_TEXTS[value]?.title ?? 'not finished'}.`)}
/** Bytes of a descriptor. */
export declare const DSA_DESC_SIZE: ${String(DESCRIPTOR_BYTES)};
/** Bytes of a completion record, and its alignment. */
export declare const DSA_COMP_SIZE: ${String(RECORD_BYTES)};
`;

function fieldValue(value: ScriptValue, width: number, argument: string): number | bigint {
  if (width > WIDE_BITS) return asU64(value, argument);
  return asUnsigned(value, argument, 2 ** width - 1);
}

/** The descriptor's bytes. A member that this operation does not have is refused by name. */
function descriptorBytes(members: ScriptRecord): Uint8Array {
  const opcode = asUnsigned(members['opcode'], 'members.opcode', 0xff);
  const structure = descriptorStructure(opcode);
  const has = new Map(structure.fields.map((field) => [field.name, field]));
  const values: Record<string, number | bigint> = { opcode };
  for (const [name, value] of Object.entries(members)) {
    if (name === 'opcode' || name === 'flags' || value === undefined) continue;
    const candidates = DESCRIPTOR_MEMBERS[name] ?? [name];
    const field = candidates
      .map((candidate) => has.get(candidate))
      .find((found) => found !== undefined);
    if (field === undefined) {
      const known = Object.entries(DESCRIPTOR_MEMBERS)
        .filter(([, fields]) => fields.some((candidate) => has.has(candidate)))
        .map(([member]) => member);
      const title = findOperation(opcode)?.title ?? `operation 0x${opcode.toString(16)}`;
      throw new ArgumentError('members', `the members of ${title}: ${known.join(', ')}`, name);
    }
    values[field.name] = fieldValue(value, field.width, `members.${name}`);
  }
  const words = structure.encode(values);
  const flags = asUnsigned(members['flags'] ?? 0, 'members.flags', FLAGS_MASK);
  words[FLAGS_WORD] = ((words[FLAGS_WORD] ?? 0) | flags) >>> 0;
  return bytesOf(words);
}

function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(AnyDescriptor.bytes);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

function recordMembers(bytes: Uint8Array, opcode: number): ScriptRecord {
  if (bytes.length < RECORD_BYTES) {
    throw new ArgumentError('bytes', `at least ${String(RECORD_BYTES)} bytes`, bytes);
  }
  const members = structureMembers(recordStructure(opcode), bytes);
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [RECORD_MEMBERS[name] ?? name, value]),
  );
}

export function createUapiIdxdModule(): SdkModule {
  return defineSdkModule({
    name: 'uapi/idxd',
    types,
    constants: {
      ...DSA_OPCODES,
      ...OP_FLAGS,
      ...COMPLETION_STATUSES,
      DSA_DESC_SIZE: DESCRIPTOR_BYTES,
      DSA_COMP_SIZE: RECORD_BYTES,
    },
    functions: {
      dsa_hw_desc: pure((members) => descriptorBytes(asRecord(members, 'members'))),
      dsa_completion_record: pure((bytes, opcode) =>
        recordMembers(
          asBytes(bytes, 'bytes'),
          opcode === undefined ? 0 : asUnsigned(opcode, 'opcode', 0xff),
        ),
      ),
      dsa_status_text: pure((status) => {
        const code = asUnsigned(status, 'status', 0xff);
        const text = STATUS_TEXTS[code];
        return text === undefined ? 'not finished' : `${text.title}: ${text.meaning}`;
      }),
    },
  });
}
