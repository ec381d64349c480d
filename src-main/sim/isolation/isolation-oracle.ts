/**
 * Knows at each instant who owns each page and for whom each device access is done, and records an access that leaves the
 * memory of its principal, at the access. It only watches: what the machine does is the same without it.
 *
 * For whom: the submitter, when the access follows from a record made in somebody's turn (`submission-turns.ts`); else the
 * owner of the address space that Requester ID and PASID select. Requests in spaces of the kernel's own drivers may reach the
 * pages that the kernel lent to that space, whoever's they are. A translated request without PASID that follows from no known
 * submission may reach what any space of its function may. Where software said nothing, nothing is judged.
 *
 * Not modelled: owners of interrupt vectors; processes inside one VM, whose memory is the VM's.
 */
import { numberOf } from '../../bits/u64.ts';
import { assertNever } from '../../bits/invariant.ts';
import { ISOLATION_ACCESS, ISOLATION_BREACHED } from '../../spec/events/isolation.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import { ADDRESS_TYPE, type MemoryRequest } from '../pcie/ports.ts';
import type { AssignedSpace, IsolationCall, IsolationPort } from './isolation-port.ts';
import { PageOwners, type OwnedRange } from './page-owners.ts';
import { SubmissionTurns, type SubmissionTurnsState } from './submission-turns.ts';

const PAGE_BYTES = 4096;
const PASID_COUNT = 2 ** 20;
const NOBODY = 'nobody (a free page)';

interface LentRange {
  readonly domain: string;
  readonly address: number;
  readonly bytes: number;
}

export interface IsolationState {
  readonly owners: readonly OwnedRange[];
  readonly turns: SubmissionTurnsState;
  readonly spaces: readonly (readonly [key: number, space: AssignedSpace])[];
  readonly lent: readonly LentRange[];
  readonly acting: string | undefined;
  readonly turnFrom: number;
  readonly last: string;
}

export class IsolationOracle implements IsolationPort, Snapshotable<IsolationState> {
  readonly #trace: Trace;
  readonly #source: number;
  readonly #owners = new PageOwners();
  readonly #turns = new SubmissionTurns();
  #spaces = new Map<number, AssignedSpace>();
  /** How many spaces of a function (by Requester ID) belong to each principal, or to the kernel by domain. */
  #served = new Map<number, Map<string, number>>();
  #lent: readonly LentRange[] = [];
  #acting: string | undefined;
  #turnFrom = 0;
  /** The last breach: an access goes over a page in many requests. */
  #last = '';

  constructor(trace: Trace) {
    this.#trace = trace;
    this.#source = trace.source('oracle');
  }

  // ---- what software says --------------------------------------------------------------------------------------------

  tell(call: IsolationCall): void {
    switch (call.op) {
      case 'own':
        this.#owners.add({
          start: call.address,
          end: call.address + call.bytes,
          owner: call.owner,
        });
        return;
      case 'disown':
        this.#owners.removeAt(call.address);
        return;
      case 'assign':
        this.#assign(call.rid, call.pasid, call.space);
        return;
      case 'lend':
        this.#lent = [
          ...this.#lent,
          { domain: call.domain, address: call.address, bytes: call.bytes },
        ];
        return;
      case 'take-back':
        this.#takeBack(call);
        return;
      case 'act':
        this.#act(call.principal);
        return;
      default:
        assertNever(call);
    }
  }

  // ---- what devices do -----------------------------------------------------------------------------------------------

  /** A request that reaches memory at this host physical address. */
  reached(rid: number, request: MemoryRequest, high: number, low: number, isWrite: boolean): void {
    const space = this.#spaces.get(spaceKey(rid, Math.max(request.pasid, 0)));
    const submitter = this.#submitter();
    const principal = submitter ?? space?.principal;
    if (principal === undefined && space === undefined) {
      return;
    }
    const address = numberOf(high, low);
    const owner = this.#owners.ownerOf(address);
    const isOwn = owner !== undefined && owner === principal;
    if (isOwn || (space !== undefined && this.#isLent(space, address))) {
      return;
    }
    const isAnonymous =
      submitter === undefined &&
      request.pasid < 0 &&
      request.addressType === ADDRESS_TYPE.translated;
    if (isAnonymous && this.#isServed(rid, owner, address)) {
      return;
    }
    const access = isWrite ? ISOLATION_ACCESS.write : ISOLATION_ACCESS.read;
    this.#breach(principal ?? domainHolder(space?.domain ?? ''), owner ?? NOBODY, address, {
      rid,
      access,
      request,
    });
  }

  /** A request that another function answers, past the remapping unit. */
  reachedPeer(rid: number, peer: number, request: MemoryRequest): void {
    const space = this.#spaces.get(spaceKey(rid, Math.max(request.pasid, 0)));
    const principal = this.#submitter() ?? space?.principal;
    const owner = this.#spaces.get(spaceKey(peer, 0))?.principal;
    if (principal !== undefined && owner !== undefined && owner !== principal) {
      this.#breach(principal, owner, numberOf(request.high, request.low), {
        rid,
        access: ISOLATION_ACCESS.peer,
        request,
      });
    }
  }

  // ---- state ---------------------------------------------------------------------------------------------------------

  snapshot(): IsolationState {
    return {
      owners: this.#owners.snapshot(),
      turns: this.#turns.snapshot(),
      spaces: [...this.#spaces],
      lent: this.#lent,
      acting: this.#acting,
      turnFrom: this.#turnFrom,
      last: this.#last,
    };
  }

  restore(state: IsolationState): void {
    this.#owners.restore(state.owners);
    this.#turns.restore(state.turns);
    this.#spaces = new Map(state.spaces);
    this.#served = new Map();
    for (const [key, space] of this.#spaces) {
      this.#count(Math.floor(key / PASID_COUNT), space, 1);
    }
    this.#lent = state.lent;
    this.#acting = state.acting;
    this.#turnFrom = state.turnFrom;
    this.#last = state.last;
  }

  #assign(rid: number, pasid: number, space: AssignedSpace | undefined): void {
    const key = spaceKey(rid, pasid);
    this.#count(rid, this.#spaces.get(key), -1);
    this.#count(rid, space, 1);
    if (space === undefined) {
      this.#spaces.delete(key);
    } else {
      this.#spaces.set(key, space);
    }
  }

  #count(rid: number, space: AssignedSpace | undefined, change: number): void {
    if (space === undefined) {
      return;
    }
    const counts = this.#served.get(rid) ?? new Map<string, number>();
    const holder = space.principal ?? domainHolder(space.domain);
    const count = (counts.get(holder) ?? 0) + change;
    if (count > 0) {
      counts.set(holder, count);
    } else {
      counts.delete(holder);
    }
    this.#served.set(rid, counts);
  }

  /** Whether some space of the function may reach the page. */
  #isServed(rid: number, owner: string | undefined, address: number): boolean {
    const holders = this.#served.get(rid);
    return (
      holders !== undefined &&
      ((owner !== undefined && holders.has(owner)) ||
        this.#lent.some((l) => covers(l, address) && holders.has(domainHolder(l.domain))))
    );
  }

  #act(principal: string | undefined): void {
    const { head } = this.#trace;
    if (this.#acting !== undefined && head > this.#turnFrom) {
      this.#turns.add(this.#turnFrom, head, this.#acting);
    }
    this.#acting = principal;
    this.#turnFrom = head;
  }

  #submitter(): string | undefined {
    const { cause } = this.#trace;
    return this.#acting !== undefined && cause >= this.#turnFrom
      ? this.#acting
      : this.#turns.principalOf(cause);
  }

  #takeBack({ domain, address, bytes }: LentRange): void {
    const at = this.#lent.findIndex(
      (l) => l.domain === domain && l.address === address && l.bytes === bytes,
    );
    if (at >= 0) {
      this.#lent = this.#lent.toSpliced(at, 1);
    }
  }

  #isLent({ domain, principal }: AssignedSpace, address: number): boolean {
    return (
      principal === undefined && this.#lent.some((l) => l.domain === domain && covers(l, address))
    );
  }

  #breach(
    principal: string,
    owner: string,
    address: number,
    how: { readonly rid: number; readonly access: number; readonly request: MemoryRequest },
  ): void {
    const { rid, access, request } = how;
    const page = address - (address % PAGE_BYTES);
    const key = `${principal} ${owner} ${page} ${access} ${rid} ${request.pasid} ${this.#trace.cause}`;
    if (key === this.#last) {
      return;
    }
    this.#last = key;
    const isTranslated = request.addressType === ADDRESS_TYPE.translated;
    this.#trace.record(
      ISOLATION_BREACHED,
      this.#source,
      principal,
      owner,
      address,
      access,
      rid,
      request.pasid,
      isTranslated,
    );
  }
}

function covers({ address: start, bytes }: LentRange, address: number): boolean {
  return address >= start && address < start + bytes;
}

/** A domain of the kernel among principals: no process is called so. */
function domainHolder(domain: string): string {
  return `kernel (${domain})`;
}

function spaceKey(rid: number, pasid: number): number {
  return rid * PASID_COUNT + pasid;
}
