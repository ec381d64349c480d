/**
 * The state of a VDEV as it travels to another host. DSA 3.0 section 7.5.7.
 *
 * A header says what the other side must have; the body is configuration space, BAR0, the guest's interrupt handles and the
 * descriptors that were written while the device was paused. Host PASIDs and entries of the message store stay behind: the
 * other side has its own, and tells the guest when its handles changed.
 *
 * Not modelled: dirty pages, partial completions that the guest has not seen.
 */
import { OPCAP } from '../../../spec/dsa/capability-registers.ts';
import { AnyDescriptor } from '../../../spec/dsa/descriptor.ts';
import { EINVAL, EIO } from '../../errno.ts';
import type { VdevInterrupts } from '../../vdcm/vdev-interrupts.ts';
import type { MigrationDriver } from '../../vfio/migration.ts';
import { VDEV } from './places.ts';
import { quiesce, type CommandTarget } from './virtual-commands.ts';

export interface MigrationTarget extends CommandTarget {
  readonly uuid: string;
  readonly interrupts: VdevInterrupts;
  /** Type of the mediated device: the contract with the guest. */
  readonly typeName: string;
}

/** "VDEV" in little-endian order. */
const MAGIC = 0x5645_4456;
const FORMAT = 1;
const NAME_WORDS = 8;
const OPERATION_WORDS = OPCAP.words;
const FIXED_WORDS = 7;
/** Pieces of configuration space and BAR0. */
const REGISTER_PARTS = 5;
const HEADER_WORDS = FIXED_WORDS + NAME_WORDS + OPERATION_WORDS;

interface Header {
  readonly isDedicated: boolean;
  readonly isEnabled: boolean;
  readonly size: number;
  readonly maxTransferShift: number;
  readonly maxBatchShift: number;
  readonly typeName: string;
  readonly operations: bigint;
}

export class VdevMigration implements MigrationDriver {
  readonly name: string;
  readonly #target: MigrationTarget;
  /** Handles that the guest knows from the other side. */
  #oldHandles: readonly number[] | null = null;
  /** The queue ran on the other side. */
  #startsQueue = false;

  constructor(target: MigrationTarget) {
    this.name = `vdev ${target.uuid}`;
    this.#target = target;
  }

  header(): Uint8Array {
    const { wq, bar0, typeName } = this.#target;
    const words = new Uint32Array(HEADER_WORDS);
    const flags = Number(wq.isDedicated) + Number(bar0.wq.isEnabled) * 2;
    const { size, max_transfer_shift, max_batch_shift } = wq.config;
    words.set([MAGIC, FORMAT, flags, size, max_transfer_shift, max_batch_shift, typeName.length]);
    const name = new TextEncoder().encode(typeName).subarray(0, NAME_WORDS * 4);
    const bytes = new Uint8Array(words.buffer);
    bytes.set(name, FIXED_WORDS * 4);
    words.set(this.#operationWords(), FIXED_WORDS + NAME_WORDS);
    return bytes;
  }

  save(): Uint8Array {
    return this.#image([
      ...this.#registers,
      Uint32Array.from(this.#handles, (handle) => handle >>> 0),
      ...this.#target.portal.waiting,
    ]);
  }

  /** Configuration space and BAR0 alone, for code that puts its own stream together. */
  saveRegisters(): Uint8Array {
    return this.#image(this.#registers);
  }

  /** What `saveRegisters` gave on the other side: -EINVAL when this device cannot become that one. */
  loadRegisters(image: Uint8Array): number {
    const words = wordsOf(image);
    const header = parseHeader(words);
    const parts = partsOf(words.subarray(HEADER_WORDS));
    return header === undefined || parts === undefined || this.check(image) < 0
      ? -EINVAL
      : this.#loadRegisters(header, parts);
  }

  /** The same type, a queue at least as large, limits at least as wide, every operation that the guest was told of. */
  check(header: Uint8Array): number {
    const theirs = parseHeader(wordsOf(header));
    if (theirs === undefined) {
      return -EINVAL;
    }
    const { wq, typeName } = this.#target;
    const own = this.#operations;
    const fits =
      theirs.typeName === typeName &&
      theirs.isDedicated === wq.isDedicated &&
      theirs.size <= wq.config.size &&
      theirs.maxTransferShift <= wq.config.max_transfer_shift &&
      theirs.maxBatchShift <= wq.config.max_batch_shift &&
      (theirs.operations & ~own) === 0n;
    return fits ? 0 : -EINVAL;
  }

  load(image: Uint8Array): number {
    let words = wordsOf(image);
    // A stream that began before the stop has its header twice.
    while (words[HEADER_WORDS] === MAGIC) {
      words = words.subarray(HEADER_WORDS);
    }
    const header = parseHeader(words);
    const parts = partsOf(words.subarray(HEADER_WORDS));
    const { portal, interrupts } = this.#target;
    const [handles, ...waiting] = parts?.slice(REGISTER_PARTS) ?? [];
    if (header === undefined || parts === undefined || handles === undefined) {
      return -EINVAL;
    }
    const result = this.#loadRegisters(header, parts.slice(0, REGISTER_PARTS));
    if (result < 0) {
      return result;
    }
    interrupts.restore();
    this.#oldHandles = Array.from(handles);
    portal.load(waiting.filter((part) => part.length === AnyDescriptor.words));
    return 0;
  }

  pause(): void {
    this.#target.portal.pause();
  }

  /** A shared queue serves others: only what carries the guest's PASIDs is waited for. */
  quiesce(): void {
    quiesce(this.#target, 'drain');
  }

  resume(): number {
    if (this.startQueue() < 0) {
      return -EIO;
    }
    this.#target.portal.resume();
    this.#compareHandles();
    return 0;
  }

  /** Enable WQ, when the queue ran on the other side. 0 or -EIO. */
  startQueue(): number {
    if (this.#startsQueue) {
      this.#startsQueue = false;
      if (this.#target.startQueue() !== 0) {
        return -EIO;
      }
      this.#target.bar0.wq.isEnabled = true;
    }
    return 0;
  }

  /** Descriptors with a handle of the other side end with status 19h until the guest asks for its new ones. */
  revokeHandles(): void {
    const { bar0, interrupts } = this.#target;
    bar0.registers.file.set('INTCAUSE', 'handlesRevoked', 1);
    interrupts.raiseFirst('interrupt handles revoked');
  }

  /** The device was reset: nothing of what came from elsewhere counts any more. */
  forget(): void {
    this.#startsQueue = false;
    this.#oldHandles = null;
  }

  #compareHandles(): void {
    const old = this.#oldHandles;
    this.#oldHandles = null;
    const hasChanged = old?.some(
      (handle, i) => handle !== NO_HANDLE && handle !== this.#handles[i],
    );
    if (hasChanged === true) {
      this.revokeHandles();
    }
  }

  get #registers(): readonly Uint32Array[] {
    const { config, bar0 } = this.#target;
    return [config.save(), ...bar0.save()];
  }

  #loadRegisters(header: Header, parts: readonly Uint32Array[]): number {
    const { config, bar0 } = this.#target;
    const own = this.#registers;
    const [space, ...tables] = parts;
    const isOfThisShape =
      parts.length === own.length && parts.every((part, i) => part.length === own[i]?.length);
    if (space === undefined || !isOfThisShape) {
      return -EINVAL;
    }
    config.load(space);
    bar0.load(tables);
    bar0.wq.isEnabled = false;
    this.#startsQueue = header.isEnabled;
    return 0;
  }

  #image(parts: readonly Uint32Array[]): Uint8Array {
    const body = parts.flatMap((part) => [part.length, ...part]);
    return concat(this.header(), bytesOf(Uint32Array.from(body)));
  }

  get #handles(): readonly number[] {
    return Array.from({ length: VDEV.vectors }, (_, vector) => {
      const handle = vector === 0 ? -1 : this.#target.interrupts.handleOf(vector);
      return handle < 0 ? NO_HANDLE : handle;
    });
  }

  get #operations(): bigint {
    return this.#target.bar0.registers.decode(OPCAP).operations;
  }

  #operationWords(): Uint32Array {
    return OPCAP.encode({ operations: this.#operations });
  }
}

const NO_HANDLE = 0xffff_ffff;

function parseHeader(words: Uint32Array): Header | undefined {
  const [magic, format, flags = 0, size = 0, transfer = 0, batch = 0, length = 0] = words;
  if (magic !== MAGIC || format !== FORMAT || words.length < HEADER_WORDS) {
    return undefined;
  }
  const name = bytesOf(words.slice(FIXED_WORDS, FIXED_WORDS + NAME_WORDS));
  return {
    isDedicated: (flags & 1) !== 0,
    isEnabled: (flags & 2) !== 0,
    size,
    maxTransferShift: transfer,
    maxBatchShift: batch,
    typeName: new TextDecoder().decode(name.subarray(0, Math.min(length, name.length))),
    operations: OPCAP.decode(words.slice(FIXED_WORDS + NAME_WORDS, HEADER_WORDS)).operations,
  };
}

/** Pieces of the body, each behind its length; undefined when they do not fill it exactly. */
function partsOf(words: Uint32Array): readonly Uint32Array[] | undefined {
  const parts: Uint32Array[] = [];
  let at = 0;
  while (at < words.length) {
    const length = words[at] ?? 0;
    const end = at + 1 + length;
    if (end > words.length) {
      return undefined;
    }
    parts.push(words.slice(at + 1, end));
    at = end;
  }
  return parts;
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) =>
    view.getUint32(i * 4, true),
  );
}

function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const out = new Uint8Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}
