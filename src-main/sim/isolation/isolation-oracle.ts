/**
 * Knows at each instant who owns each page and each vector, and for whom each device works, and records an access that leaves
 * the memory of its principal, and a vector that arrives at somebody by the doing of somebody else, when it happens. It only
 * watches: what the machine does is the same without it.
 *
 * For whom: the submitter, when the access follows from a record made in somebody's turn (`submission-turns.ts`); else the
 * owner of the address space that Requester ID and PASID select. Requests in spaces of the kernel's own drivers may reach the
 * pages that the kernel lent to that space, whoever's they are. A translated request without PASID that follows from no known
 * submission may reach what any space of its function may. An access that stays within a VM is judged once more, with what
 * the guest's kernel said (`guest-memory.ts`). Where software said nothing, nothing is judged.
 *
 * Not modelled: vectors within one VM, which are its kernel's; registers behind a peer's BAR that the kernel keeps.
 */
import { assertNever } from '../../bits/invariant.ts';
import { numberOf } from '../../bits/u64.ts';
import { fieldOf, wordField } from '../../bits/word-field.ts';
import { DELIVERY_MODE } from '../../spec/cpu/local-apic.ts';
import {
  INTERRUPT_ARRIVAL,
  INTERRUPT_PATH,
  ISOLATION_ACCESS,
  ISOLATION_BREACHED,
  ISOLATION_INTERRUPT_BREACHED,
} from '../../spec/events/isolation.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';
import { CompatibilityMessageData } from '../../spec/vtd/interrupt-message.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import { ADDRESS_TYPE, type MemoryRequest } from '../pcie/ports.ts';
import { accessKey, AllowedAccesses } from './allowed-accesses.ts';
import { domainHolder, KERNEL } from './assigned-spaces.ts';
import { GuestMemory, type GuestMemoryState } from './guest-memory.ts';
import type { Actor, IsolationCall, IsolationPort } from './isolation-port.ts';
import { KnownMemory, type KnownMemoryState, type Trespass } from './known-memory.ts';
import { NO_ACTOR, SubmissionTurns, type SubmissionTurnsState } from './submission-turns.ts';
import { VectorHolders, type Message, type VectorHoldersState } from './vector-holders.ts';

const PAGE_BYTES = 4096;
const VECTOR = wordField(CompatibilityMessageData, 'V');
const DLM = wordField(CompatibilityMessageData, 'DLM');

/** What the oracle asks of the machine. */
export interface IsolationFacts {
  /** The CPU, or the first of several, that a message in compatibility format reaches; -1 for none. */
  cpuOf(addressHigh: number, addressLow: number): number;
}

export interface IsolationState {
  readonly host: KnownMemoryState;
  readonly guests: readonly (readonly [vm: string, state: GuestMemoryState])[];
  readonly vectors: VectorHoldersState;
  readonly turns: SubmissionTurnsState;
  readonly acting: number;
  readonly turnFrom: number;
  readonly last: string;
}

export class IsolationOracle implements IsolationPort, Snapshotable<IsolationState> {
  readonly #trace: Trace;
  readonly #source: number;
  readonly #facts: IsolationFacts;
  readonly #host = new KnownMemory();
  readonly #vectors = new VectorHolders();
  readonly #turns = new SubmissionTurns();
  readonly #allowed = new AllowedAccesses();
  /** By principal. */
  #guests = new Map<string, GuestMemory>();
  #acting = NO_ACTOR;
  #turnFrom = 0;
  /** The last breach: an access goes over a page in many requests. */
  #last = '';
  /** The message that a function sends now. */
  #message: Message | undefined;

  constructor(trace: Trace, facts: IsolationFacts) {
    this.#trace = trace;
    this.#source = trace.source('oracle');
    this.#facts = facts;
  }

  // ---- what software says --------------------------------------------------------------------------------------------

  tell(call: IsolationCall): void {
    if (call.op === 'act') {
      this.#act(call.actor);
      return;
    }
    this.#allowed.clear();
    switch (call.op) {
      case 'back':
        this.#guest(call.vm).back(call);
        return;
      case 'unback':
        this.#guest(call.vm).unback(call.gpa, call.bytes);
        return;
      case 'in-guest':
        this.#guest(call.vm).tell(call.name, call.call);
        return;
      case 'forget-guest':
        this.#guests.get(call.vm)?.forget();
        return;
      case 'move-guest':
        this.#guest(call.to).take(this.#guest(call.vm));
        return;
      case 'hold-vector':
        this.#vectors.hold(call.cpu, call.vector, call.holder);
        return;
      case 'receive':
        this.#vectors.receive(call.descriptor, call.principal);
        return;
      case 'own':
      case 'disown':
      case 'assign':
      case 'lend':
      case 'take-back':
        this.#host.tell(call);
        return;
      default:
        assertNever(call);
    }
  }

  // ---- what devices do -----------------------------------------------------------------------------------------------

  /** A request that reaches memory at this host physical address. */
  reached(rid: number, request: MemoryRequest, high: number, low: number, isWrite: boolean): void {
    const { pasid } = request;
    const actor = this.#actorOf(this.#trace.cause);
    const isTranslated = request.addressType === ADDRESS_TYPE.translated;
    const address = numberOf(high, low);
    const key = accessKey(actor, rid, pasid, isTranslated);
    if (this.#allowed.has(address, key)) {
      return;
    }
    const submitter = this.#turns.actor(actor);
    const isAnonymous = submitter === undefined && pasid < 0 && isTranslated;
    const found = this.#trespass(address, { rid, pasid, submitter, isAnonymous });
    if (found === undefined) {
      this.#allowed.add(address, key);
      return;
    }
    const access = isWrite ? ISOLATION_ACCESS.write : ISOLATION_ACCESS.read;
    this.#breach(found, address, { rid, access, request });
  }

  /** A request that another function answers, past the remapping unit. */
  reachedPeer(rid: number, peer: number, request: MemoryRequest): void {
    const { spaces } = this.#host;
    const submitter = this.#turns.actor(this.#actorOf(this.#trace.cause));
    const principal = submitter?.principal ?? spaces.of(rid, request.pasid)?.principal;
    const owner = spaces.of(peer, 0)?.principal;
    if (principal !== undefined && owner !== undefined && owner !== principal) {
      const access = ISOLATION_ACCESS.peer;
      this.#breach({ principal, owner }, numberOf(request.high, request.low), {
        rid,
        access,
        request,
      });
    }
  }

  /** Runs `send`, which gives a message of a function to the unit. `cause` is the record that the message follows from. */
  sending<T>(rid: number, cause: number, isDma: boolean, send: () => T): T {
    const submitter = this.#turns.actor(this.#actorOf(cause));
    const principal = submitter?.principal ?? this.#host.spaces.of(rid, 0)?.principal;
    const saved = this.#message;
    this.#message = { rid, principal, isDma };
    try {
      return send();
    } finally {
      this.#message = saved;
    }
  }

  /** The unit hands the message that a function sends now to the CPUs, remapped or as it came. */
  delivered(addressHigh: number, addressLow: number, data: number): void {
    const message = this.#message;
    const cpu = message === undefined ? -1 : this.#facts.cpuOf(addressHigh, addressLow);
    if (message === undefined || cpu < 0) {
      return;
    }
    const vector = fieldOf(data, VECTOR);
    // NMI, INIT and the like have no vector, and are of no function.
    const isVector = fieldOf(data, DLM) <= DELIVERY_MODE.lowestPriority;
    const victim = this.#vectors.victimOf(cpu, isVector ? vector : -1, message);
    this.#breachByMessage(message, victim, vector, INTERRUPT_ARRIVAL.cpu);
  }

  /** The unit posts the message that a function sends now to the virtual CPU with this descriptor. */
  posted(high: number, low: number, vector: number): void {
    const message = this.#message;
    const receiver = this.#vectors.receiverOf(numberOf(high, low));
    if (message === undefined || receiver === undefined) {
      return;
    }
    const { rid, principal } = message;
    const { spaces } = this.#host;
    const isRight =
      principal === undefined
        ? !spaces.isUsed(rid) || spaces.serves(rid, receiver)
        : principal === receiver;
    const victim = isRight ? undefined : receiver;
    this.#breachByMessage(message, victim, vector, INTERRUPT_ARRIVAL.posted);
  }

  // ---- state ---------------------------------------------------------------------------------------------------------

  snapshot(): IsolationState {
    return {
      host: this.#host.snapshot(),
      guests: [...this.#guests].map(([vm, guest]) => [vm, guest.snapshot()]),
      vectors: this.#vectors.snapshot(),
      turns: this.#turns.snapshot(),
      acting: this.#acting,
      turnFrom: this.#turnFrom,
      last: this.#last,
    };
  }

  restore(state: IsolationState): void {
    this.#allowed.clear();
    this.#host.restore(state.host);
    this.#guests = new Map();
    for (const [vm, guest] of state.guests) {
      this.#guest(vm).restore(guest);
    }
    this.#vectors.restore(state.vectors);
    this.#turns.restore(state.turns);
    this.#acting = state.acting;
    this.#turnFrom = state.turnFrom;
    this.#last = state.last;
  }

  #guest(vm: string): GuestMemory {
    const known = this.#guests.get(vm);
    if (known !== undefined) {
      return known;
    }
    const guest = new GuestMemory();
    this.#guests.set(vm, guest);
    return guest;
  }

  #act(actor: Actor | undefined): void {
    const { head } = this.#trace;
    if (this.#acting !== NO_ACTOR && head > this.#turnFrom) {
      this.#turns.add(this.#turnFrom, head, this.#acting);
    }
    this.#acting = actor === undefined ? NO_ACTOR : this.#turns.numberOf(actor);
    this.#turnFrom = head;
  }

  #actorOf(cause: number): number {
    return this.#acting !== NO_ACTOR && cause >= this.#turnFrom
      ? this.#acting
      : this.#turns.actorOf(cause);
  }

  /** As the host sees it; and as the guest does, when the host has nothing to say against it. */
  #trespass(
    address: number,
    how: {
      readonly rid: number;
      readonly pasid: number;
      readonly submitter: Actor | undefined;
      readonly isAnonymous: boolean;
    },
  ): Trespass | undefined {
    const { rid, pasid, submitter } = how;
    const { owners, spaces } = this.#host;
    const space = spaces.of(rid, pasid);
    const owner = owners.ownerOf(address);
    const principal = submitter?.principal ?? space?.principal;
    const found = this.#host.trespass(address, owner, principal, space);
    if (found !== undefined) {
      return how.isAnonymous && this.#isServed(rid, owner, address) ? undefined : found;
    }
    const guest = owner === undefined ? undefined : this.#guests.get(owner);
    // Nobody in the guest knows who is behind a translated address without PASID.
    const isOfGuest = !how.isAnonymous && space?.principal === owner;
    return owner === principal
      ? guest?.trespass(address, submitter?.process, isOfGuest ? space?.guestTable : undefined)
      : undefined;
  }

  /** Whether some space of the function may reach the page. */
  #isServed(rid: number, owner: string | undefined, address: number): boolean {
    const { spaces, lent } = this.#host;
    return (
      (owner !== undefined && spaces.serves(rid, owner)) ||
      lent.isLent(address, (domain) => spaces.serves(rid, domainHolder(domain)))
    );
  }

  #breach(
    { principal, owner }: Trespass,
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

  #breachByMessage(
    { rid, principal, isDma }: Message,
    victim: string | undefined,
    vector: number,
    arrival: number,
  ): void {
    if (victim === undefined) {
      return;
    }
    this.#trace.record(
      ISOLATION_INTERRUPT_BREACHED,
      this.#source,
      principal ?? `${KERNEL}driver of ${formatBdf(rid)})`,
      victim,
      rid,
      vector,
      arrival,
      isDma ? INTERRUPT_PATH.dma : INTERRUPT_PATH.table,
    );
  }
}
