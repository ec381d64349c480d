/**
 * One VM from inside: which of its processes owns each guest-physical page, as its kernel says, and what host memory is behind
 * the page now, as KVM says. Ownership follows guest-physical addresses, so a page keeps it when the host moves the memory.
 *
 * A nested space stands on paging tables of the guest: the address of the top one tells whose it is. Where the guest's kernel
 * said nothing, nothing is judged. Not modelled: vectors inside the guest, which are its kernel's.
 */
import type { Snapshotable } from '../core/snapshot.ts';
import { KERNEL } from './assigned-spaces.ts';
import type { MemoryCall } from './isolation-port.ts';
import { FREE_PAGE, KnownMemory, type KnownMemoryState, type Trespass } from './known-memory.ts';

/** Guest-physical addresses with contiguous host memory behind them. */
interface Backing {
  readonly address: number;
  readonly gpa: number;
  readonly bytes: number;
}

export interface GuestMemoryState {
  readonly name: string;
  readonly known: KnownMemoryState;
  readonly backing: readonly Backing[];
}

export class GuestMemory implements Snapshotable<GuestMemoryState> {
  /** The VM's own name, which its kernel brings. */
  #name = '';
  readonly #known = new KnownMemory();
  #backing: readonly Backing[] = [];

  tell(name: string, call: MemoryCall): void {
    this.#name = name;
    this.#known.tell(call);
  }

  back(added: Backing): void {
    this.unback(added.gpa, added.bytes);
    this.#backing = [...this.#backing, added];
  }

  /** What lies beside [gpa, gpa + bytes) stays. */
  unback(gpa: number, bytes: number): void {
    const end = gpa + bytes;
    this.#backing = this.#backing.flatMap((piece) => {
      const pieceEnd = piece.gpa + piece.bytes;
      if (piece.gpa >= end || pieceEnd <= gpa) {
        return [piece];
      }
      return [
        { ...piece, bytes: gpa - piece.gpa },
        { address: piece.address + (end - piece.gpa), gpa: end, bytes: pieceEnd - end },
      ].filter((rest) => rest.bytes > 0);
    });
  }

  /** The guest's kernel is gone; the memory behind it is still there. */
  forget(): void {
    this.#known.restore(new KnownMemory().snapshot());
  }

  /** The kernel of another VM goes on in this one: what it said is in guest-physical addresses, which stay. */
  take(other: GuestMemory): void {
    this.#name = other.#name;
    this.#known.restore(other.#known.snapshot());
    other.forget();
  }

  /**
   * Of an access to host memory of the VM by one of its processes, or (undefined) in a space that stands on a table of the
   * guest.
   */
  trespass(
    address: number,
    process: string | undefined,
    guestTable: number | undefined,
  ): Trespass | undefined {
    const space = guestTable === undefined ? undefined : this.#known.spaces.on(guestTable);
    const principal = process ?? space?.principal;
    if (principal === undefined && space === undefined) {
      return undefined;
    }
    const piece = this.#backing.find((b) => address >= b.address && address < b.address + b.bytes);
    if (piece === undefined) {
      return undefined;
    }
    const gpa = piece.gpa + (address - piece.address);
    const owner = this.#known.owners.ownerOf(gpa);
    const found = this.#known.trespass(gpa, owner, principal, space);
    return found === undefined
      ? undefined
      : { principal: this.#nameOf(found.principal), owner: this.#nameOf(found.owner) };
  }

  snapshot(): GuestMemoryState {
    return { name: this.#name, known: this.#known.snapshot(), backing: this.#backing };
  }

  restore(state: GuestMemoryState): void {
    this.#name = state.name;
    this.#known.restore(state.known);
    this.#backing = state.backing;
  }

  #nameOf(holder: string): string {
    const isProcess = !holder.startsWith(KERNEL) && holder !== FREE_PAGE;
    return `VM ${this.#name} / ${isProcess ? 'process ' : ''}${holder}`;
  }
}
