/** What one kernel, the host's or a guest's, said of its memory: owners of pages, loans, address spaces; and what follows. */
import { assertNever } from '../../bits/invariant.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import { AssignedSpaces, domainHolder, type AssignedSpacesState } from './assigned-spaces.ts';
import type { AssignedSpace, MemoryCall } from './isolation-port.ts';
import { LentPages, type LentPagesState } from './lent-pages.ts';
import { PageOwners, type OwnedRange } from './page-owners.ts';

/** Owner of pages that nobody has. */
export const FREE_PAGE = 'nobody (a free page)';

export interface KnownMemoryState {
  readonly owners: readonly OwnedRange[];
  readonly lent: LentPagesState;
  readonly spaces: AssignedSpacesState;
}

/** An access that leaves the memory of its principal. */
export interface Trespass {
  readonly principal: string;
  readonly owner: string;
}

export class KnownMemory implements Snapshotable<KnownMemoryState> {
  readonly owners = new PageOwners();
  readonly lent = new LentPages();
  readonly spaces = new AssignedSpaces();

  tell(call: MemoryCall): void {
    switch (call.op) {
      case 'own':
        this.owners.add({
          start: call.address,
          end: call.address + call.bytes,
          owner: call.owner,
        });
        return;
      case 'disown':
        this.owners.removeAt(call.address);
        return;
      case 'assign':
        this.spaces.assign(call.rid, call.pasid, call.space);
        return;
      case 'lend':
        this.lent.lend(call.domain, call.address, call.bytes);
        return;
      case 'take-back':
        this.lent.takeBack(call.domain, call.address, call.bytes);
        return;
      default:
        assertNever(call);
    }
  }

  /**
   * Of an access to a page of `owner` that is done for `principal`, or (undefined) for the kernel, in `space`. The kernel's
   * own spaces may reach what was lent to them. Undefined when nothing is wrong or nothing is known.
   */
  trespass(
    address: number,
    owner: string | undefined,
    principal: string | undefined,
    space: AssignedSpace | undefined,
  ): Trespass | undefined {
    const isOwn = owner !== undefined && owner === principal;
    if (isOwn || (principal === undefined && space === undefined)) {
      return undefined;
    }
    const isLent =
      space !== undefined &&
      space.principal === undefined &&
      this.lent.isLentTo(space.domain, address);
    return isLent
      ? undefined
      : {
          principal: principal ?? domainHolder(space?.domain ?? ''),
          owner: owner ?? FREE_PAGE,
        };
  }

  snapshot(): KnownMemoryState {
    return {
      owners: this.owners.snapshot(),
      lent: this.lent.snapshot(),
      spaces: this.spaces.snapshot(),
    };
  }

  restore(state: KnownMemoryState): void {
    this.owners.restore(state.owners);
    this.lent.restore(state.lent);
    this.spaces.restore(state.spaces);
  }
}
