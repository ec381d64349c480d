/**
 * BAR2 of a VDEV: its two portal pages. A dedicated queue has both mapped, a shared one only the limited portal; behind
 * them stand the interrupt-message portals of the physical queue. What is not mapped is trapped: stores are put together
 * in 64-byte slots and sent on by the host. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 *
 * Every CPU of the guest stores to the same slots, also while the host waits for room in the queue for one of them. So a
 * descriptor is copied out of its slot before anything of it is looked at.
 */
import { AnyDescriptor, DESCRIPTOR_BYTES } from '../../../spec/dsa/descriptor.ts';
import { PORTAL_PAGE } from '../../../spec/dsa/portals.ts';
import { onBehalfOf } from '../../../sim/index.ts';
import type { Core } from '../../core/core.ts';
import { EAGAIN, EFAULT, EINVAL } from '../../errno.ts';
import type { VmArea } from '../../mm/mm.ts';
import { PAGE_BYTES } from '../../mm/page-allocator.ts';
import type { RegionArea } from '../../vfio/device-requests.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { VDEV } from './places.ts';
import type { VdevPasids } from '../../vdcm/vdev-pasids.ts';

/** Page of the VDEV's BAR2. */
const PAGE = { unlimited: 0, limited: 1 } as const;
const RETRY_NS = 500;
/** The guest's kernel or its user: the guest's own business, because the PASID is the guest's own. */
const PRIVILEGED = 0x8000_0000;

interface Slot {
  readonly bytes: Uint8Array;
  /** Bytes that are there. */
  readonly filled: Set<number>;
}

export interface VdevPortalOptions {
  readonly core: Core;
  readonly idxd: IdxdDevice;
  readonly wq: IdxdWq;
  readonly pasids: VdevPasids;
  readonly name: string;
  /** Address space of whoever has the device open. */
  readonly user: () => string | undefined;
  /** The user is a VM whose ENQCMD goes out with the PASIDs that its guest writes. */
  readonly isUntranslated: () => boolean;
  /** A trapped descriptor is complete: 0 or an error number. */
  readonly onSubmit: (words: Uint32Array) => number;
}

export class VdevPortal {
  readonly #options: VdevPortalOptions;
  readonly #slots = new Map<number, Slot>();
  /** Where the guest's user has pages mapped, with what is behind them. */
  readonly #mapped = new Map<VmArea, number>();
  /** While the device is paused: descriptors that wait, oldest first. */
  #waiting: Uint32Array[] | null = null;

  constructor(options: VdevPortalOptions) {
    this.#options = options;
  }

  /** Pages that may be mapped. */
  get areas(): readonly RegionArea[] {
    const pages = this.#options.wq.isDedicated ? [PAGE.unlimited, PAGE.limited] : [PAGE.limited];
    return pages.map((page) => ({ offset: page * PAGE_BYTES, size: PAGE_BYTES }));
  }

  /** Slots that wait for the rest of their bytes. */
  get stagedSlots(): number {
    return [...this.#slots.values()].filter(({ filled }) => filled.size > 0).length;
  }

  /** One shared page inside an area. The offset comes from user space and chooses the physical page. */
  mmap(area: VmArea, offset: number): number {
    const { core } = this.#options;
    const bytes = area.vm_end - area.vm_start;
    if (!area.isShared || bytes > PAGE_BYTES || offset % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    const isInside = offset < VDEV.bar2Bytes;
    if (!isInside && core.defends('portal-offset-check')) {
      return -EINVAL;
    }
    const isOffered = this.areas.some((a) => a.offset === offset);
    if (isInside && !isOffered && core.defends('portal-area-check')) {
      return -EINVAL;
    }
    const { wq, isUntranslated } = this.#options;
    if (!wq.isDedicated && isUntranslated() && core.defends('portal-after-translation')) {
      return -EINVAL;
    }
    area.isNotCopied = true;
    area.isDevice = true;
    const physical = this.#physical(offset);
    if (this.#waiting === null) {
      const result = area.mm.remap(area, area.vm_start, physical, PAGE_BYTES);
      if (result < 0) {
        return -EFAULT;
      }
    }
    this.#mapped.set(area, physical);
    const onClose = area.onClose;
    area.onClose = () => {
      this.#mapped.delete(area);
      onClose?.();
    };
    return 0;
  }

  // ---- migration -----------------------------------------------------------------------------------------------------

  /** From now on every submission traps, and waits here. */
  pause(): void {
    if (this.#waiting === null) {
      this.#waiting = [];
      this.#mapped.forEach((_physical, area) => area.mm.zapDevice(area));
    }
  }

  /** Descriptors that wait, for a saved state. */
  get waiting(): readonly Uint32Array[] {
    return this.#waiting ?? [];
  }

  /** Takes over what waited on the other side. */
  load(waiting: readonly Uint32Array[]): void {
    this.pause();
    this.#waiting = [...waiting];
  }

  /** What waited goes to the queue first, with the host's numbers of today; then the pages are there again. */
  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    waiting.forEach((words) => this.#send(words));
    this.#mapped.forEach((physical, area) => {
      area.mm.remap(area, area.vm_start, physical, PAGE_BYTES);
    });
  }

  /**
   * The guest drains or aborts what it submitted: that means what waits here too, of one PASID of its own or of all. A
   * drain that left them behind would let them run for whoever has the PASID then.
   */
  settle(way: 'drain' | 'abort', guestPasid?: number): void {
    const isMeant = (words: Uint32Array): boolean =>
      guestPasid === undefined || AnyDescriptor.decode(words).pasid === guestPasid;
    const meant = this.waiting.filter(isMeant);
    if (this.#waiting !== null) {
      this.#waiting = this.#waiting.filter((words) => !isMeant(words));
    }
    if (way === 'drain') {
      meant.forEach((words) => this.#send(words));
    }
  }

  /** What a store to a portal that is not mapped becomes. */
  write(offset: number, bytes: Uint8Array): number {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done;
      const inSlot = at % DESCRIPTOR_BYTES;
      const size = Math.min(bytes.length - done, DESCRIPTOR_BYTES - inSlot);
      const result = this.#store(at - inSlot, inSlot, bytes.subarray(done, done + size));
      if (result < 0) {
        return result;
      }
      done += size;
    }
    return bytes.length;
  }

  /** Forgets stores that no descriptor came of. */
  reset(): void {
    this.#slots.clear();
    this.#waiting = this.#waiting === null ? null : [];
  }

  /** Same type of portal, but the one whose handles name interrupt message storage. */
  #physical(offset: number): number {
    const { idxd, wq } = this.#options;
    const hasIms = (idxd.ims?.entries ?? 0) > 0;
    const first = hasIms ? PORTAL_PAGE.unlimitedIms : PORTAL_PAGE.unlimitedMsix;
    return idxd.portalAddress(wq.id, first) + offset;
  }

  #store(slotAt: number, inSlot: number, bytes: Uint8Array): number {
    const slot = this.#slots.get(slotAt) ?? {
      bytes: new Uint8Array(DESCRIPTOR_BYTES),
      filled: new Set<number>(),
    };
    this.#slots.set(slotAt, slot);
    slot.bytes.set(bytes, inSlot);
    bytes.forEach((_, i) => slot.filled.add(inSlot + i));
    if (slot.filled.size < DESCRIPTOR_BYTES) {
      return 0;
    }
    return this.#options.onSubmit(this.#take(slotAt, slot));
  }

  /** The descriptor in a full slot, for the host alone. Without the copy it stays where the guest goes on storing. */
  #take(slotAt: number, { bytes, filled }: Slot): Uint32Array {
    if (this.#options.core.defends('copy-once')) {
      this.#slots.delete(slotAt);
      return new Uint32Array(bytes.slice().buffer);
    }
    filled.clear();
    return new Uint32Array(bytes.buffer);
  }

  /** -EINVAL drops a descriptor with a PASID that is not the guest's; -EAGAIN when the queue stays full. */
  submit(words: Uint32Array): number {
    if (this.#waiting === null) {
      return this.#send(words);
    }
    if (this.#waiting.length >= this.#options.wq.config.size) {
      return -EAGAIN;
    }
    this.#waiting.push(words);
    return 0;
  }

  /** Looks the PASID up and hands the descriptor to the queue. */
  #send(words: Uint32Array): number {
    const { core, wq, pasids, name } = this.#options;
    const { pasid } = AnyDescriptor.decode(words);
    const host = wq.isDedicated ? 0 : pasids.translate(pasid);
    if (host < 0) {
      core.warn(`${name}: descriptor with foreign PASID ${pasid} dropped`);
      return -EINVAL;
    }
    return this.sendAs(words, host);
  }

  /**
   * To the queue, in the guest's name. On a shared one a host PASID takes the place of the guest's; a dedicated one has its own.
   *
   * @returns 0, or -EAGAIN when the queue stays full
   */
  sendAs(words: Uint32Array, host: number): number {
    const { core, wq, user } = this.#options;
    const principal = user();
    const inItsName = <T>(body: () => T): T =>
      principal === undefined ? body() : onBehalfOf(core.hw.isolation, principal, body);
    const portal = this.#physical(PAGE.unlimited * PAGE_BYTES);
    if (wq.isDedicated) {
      inItsName(() => {
        core.hw.movdir64b(0, portal, words);
      });
      return 0;
    }
    words[0] = (((words[0] ?? 0) & PRIVILEGED) | host) >>> 0;
    for (let attempt = 0; attempt <= wq.config.enqcmds_retries; attempt++) {
      if (inItsName(() => core.hw.enqcmds(0, portal, words)) === 'accepted') {
        return 0;
      }
      core.advance(RETRY_NS);
    }
    return -EAGAIN;
  }
}
