/** Which address space each Requester ID and PASID selects, and whom each function serves at all. */
import type { Snapshotable } from '../core/snapshot.ts';
import type { AssignedSpace } from './isolation-port.ts';

const PASID_COUNT = 2 ** 20;
/** How names of what the kernel has begin: no process is called so. */
export const KERNEL = 'kernel (';

export type AssignedSpacesState = readonly (readonly [key: number, space: AssignedSpace])[];

export class AssignedSpaces implements Snapshotable<AssignedSpacesState> {
  #spaces = new Map<number, AssignedSpace>();
  /** How many spaces of a function (by Requester ID) belong to each principal, or to the kernel by domain. */
  #served = new Map<number, Map<string, number>>();
  /** By address of the top paging table; made when somebody asks. */
  #byTable: ReadonlyMap<number, AssignedSpace> | undefined;

  assign(rid: number, pasid: number, space: AssignedSpace | undefined): void {
    const key = rid * PASID_COUNT + pasid;
    this.#byTable = undefined;
    this.#count(rid, this.#spaces.get(key), -1);
    this.#count(rid, space, 1);
    if (space === undefined) {
      this.#spaces.delete(key);
    } else {
      this.#spaces.set(key, space);
    }
  }

  /** -1: requests without PASID. */
  of(rid: number, pasid: number): AssignedSpace | undefined {
    return this.#spaces.get(rid * PASID_COUNT + Math.max(pasid, 0));
  }

  /** The space whose top paging table is at this address; of several functions, the one that was assigned last. */
  on(table: number): AssignedSpace | undefined {
    this.#byTable ??= new Map(
      [...this.#spaces.values()].flatMap((space) =>
        space.table === undefined ? [] : [[space.table, space] as const],
      ),
    );
    return this.#byTable.get(table);
  }

  /** The function works for anybody at all that software told of. */
  isUsed(rid: number): boolean {
    return this.#served.get(rid) !== undefined;
  }

  serves(rid: number, holder: string): boolean {
    return this.#served.get(rid)?.has(holder) === true;
  }

  snapshot(): AssignedSpacesState {
    return [...this.#spaces];
  }

  restore(state: AssignedSpacesState): void {
    this.#spaces = new Map(state);
    this.#served = new Map();
    this.#byTable = undefined;
    for (const [key, space] of this.#spaces) {
      this.#count(Math.floor(key / PASID_COUNT), space, 1);
    }
  }

  #count(rid: number, space: AssignedSpace | undefined, change: number): void {
    if (space === undefined) {
      return;
    }
    const counts = this.#served.get(rid) ?? new Map<string, number>();
    const holder = holderOf(space);
    const count = (counts.get(holder) ?? 0) + change;
    if (count > 0) {
      counts.set(holder, count);
    } else {
      counts.delete(holder);
    }
    if (counts.size > 0) {
      this.#served.set(rid, counts);
    } else {
      this.#served.delete(rid);
    }
  }
}

/** A domain of the kernel among principals. */
export function domainHolder(domain: string): string {
  return `${KERNEL}${domain})`;
}

/** The principal of a space, or the kernel by the name of the domain. */
export function holderOf({ principal, domain }: AssignedSpace): string {
  return principal ?? domainHolder(domain);
}
