/**
 * For whom each vector of each CPU is, and whose each posted-interrupt descriptor is. A message arrives by the doing of a
 * function, and of somebody on whose behalf the function works.
 */
import type { Snapshotable } from '../core/snapshot.ts';
import { KERNEL } from './assigned-spaces.ts';
import type { VectorHolder } from './isolation-port.ts';

const VECTORS = 256;
const FREE_VECTOR = 'nobody (a free vector)';

export interface VectorHoldersState {
  readonly vectors: readonly (readonly [place: number, holder: VectorHolder])[];
  readonly receivers: readonly (readonly [descriptor: number, principal: string])[];
}

/** A message of a function on its way. */
export interface Message {
  readonly rid: number;
  /** On whose behalf; undefined when nobody knows, or for the kernel. */
  readonly principal: string | undefined;
  /** A write that the function was told to make, not one of its interrupt tables. */
  readonly isDma: boolean;
}

export class VectorHolders implements Snapshotable<VectorHoldersState> {
  #vectors = new Map<number, VectorHolder>();
  #receivers = new Map<number, string>();

  hold(cpu: number, vector: number, holder: VectorHolder | undefined): void {
    const place = cpu * VECTORS + vector;
    if (holder === undefined) {
      this.#vectors.delete(place);
    } else {
      this.#vectors.set(place, holder);
    }
  }

  receive(descriptor: number, principal: string | undefined): void {
    if (principal === undefined) {
      this.#receivers.delete(descriptor);
    } else {
      this.#receivers.set(descriptor, principal);
    }
  }

  receiverOf(descriptor: number): string | undefined {
    return this.#receivers.get(descriptor);
  }

  /**
   * Who should not have had this vector from this function; undefined when nothing is wrong, or no software said anything. A
   * function raises the vectors that its driver got for it, and for whom it works only his own. What ends with an error may
   * raise an interrupt of the driver, whoever's it is; a write may not.
   */
  victimOf(cpu: number, vector: number, message: Message): string | undefined {
    const holder = this.#vectors.get(cpu * VECTORS + vector);
    if (holder === undefined) {
      return this.#vectors.size === 0 ? undefined : FREE_VECTOR;
    }
    const { rid, principal, isDma } = message;
    const isOwn = principal === undefined || principal === holder.principal;
    const isDrivers = holder.principal === undefined && !isDma;
    return holder.rid === rid && (isOwn || isDrivers) ? undefined : nameOf(holder);
  }

  snapshot(): VectorHoldersState {
    return { vectors: [...this.#vectors], receivers: [...this.#receivers] };
  }

  restore({ vectors, receivers }: VectorHoldersState): void {
    this.#vectors = new Map(vectors);
    this.#receivers = new Map(receivers);
  }
}

function nameOf({ principal, name }: VectorHolder): string {
  return principal ?? `${KERNEL}${name})`;
}
