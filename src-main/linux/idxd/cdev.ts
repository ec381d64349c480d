/**
 * Queues for processes (drivers/dma/idxd/cdev.c): /dev/dsa/wqX.Y. One open file is one context; with PASIDs the process's own
 * address space is what the device works in. A dedicated queue has one user.
 */
import type { PORTAL_PAGE } from '../../spec/dsa/portals.ts';
import { COMMAND } from '../../spec/dsa/commands.ts';
import { AnyDescriptor } from '../../spec/dsa/descriptor.ts';
import { OPCODE } from '../../spec/dsa/operations.ts';
import type { PlainData } from '../../sim/index.ts';
import { OpenFile, type Caller } from '../core/files.ts';
import { EAGAIN, EBUSY, EINVAL, ENODEV, EPERM, ETIMEDOUT, IS_ERR } from '../errno.ts';
import type { Sva, SvaHandle } from '../iommu/sva.ts';
import type { Mm, VmArea } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { IdxdDevice } from './idxd-device.ts';
import type { IdxdWq } from './wq.ts';

const DESCRIPTOR_BYTES = 64;
const RECORD_ALIGNMENT = 32n;

export class WqFile extends OpenFile {
  readonly #idxd: IdxdDevice;
  readonly #wq: IdxdWq;
  readonly #sva: Sva;
  readonly #mm: Mm;
  readonly #handle: SvaHandle | null;

  constructor(
    parts: { readonly idxd: IdxdDevice; readonly wq: IdxdWq; readonly sva: Sva },
    mm: Mm,
    handle: SvaHandle | null,
  ) {
    super(parts.idxd.core, `dsa ${parts.wq.name}`);
    this.#idxd = parts.idxd;
    this.#wq = parts.wq;
    this.#sva = parts.sva;
    this.#mm = mm;
    this.#handle = handle;
  }

  get pasid(): number {
    return this.#handle === null ? -1 : this.#sva.iommu_sva_get_pasid(this.#handle);
  }

  /** One page: the limited portal, so that the kernel's own submissions always find room. */
  override mmap(area: VmArea, caller: Caller): number {
    const { core } = this;
    const isGuarded = this.#idxd.isFirstGeneration && core.defends('rawio-check');
    if (isGuarded && !caller.hasCapability('CAP_SYS_RAWIO')) {
      return -EPERM;
    }
    if (caller.mm !== this.#mm && core.defends('mm-check')) {
      return -EPERM;
    }
    if (area.vm_end - area.vm_start > PAGE_BYTES || !area.isShared) {
      return -EINVAL;
    }
    area.isNotCopied = core.defends('dont-copy');
    const page = core.defends('limited-portal') ? 'limitedMsix' : 'unlimitedMsix';
    return area.mm.remap(area, area.vm_start, this.#portal(page), PAGE_BYTES);
  }

  /** Submission by the kernel: checked, and stamped with the context's PASID. */
  override write(from: Uint8Array, _position: number, caller: Caller): number {
    if (caller.mm !== this.#mm && this.core.defends('mm-check')) {
      return -EPERM;
    }
    if (from.length === 0 || from.length % DESCRIPTOR_BYTES !== 0) {
      return -EINVAL;
    }
    for (let at = 0; at < from.length; at += DESCRIPTOR_BYTES) {
      const result = this.#submit(from.subarray(at, at + DESCRIPTOR_BYTES));
      if (result < 0) {
        return at === 0 ? result : at;
      }
    }
    return from.length;
  }

  /** Shared: drain what this PASID has in the device. Dedicated: disabling the queue drains it. Then the PASID goes. */
  override release(): void {
    if (this.#handle !== null) {
      if (this.#wq.isDedicated) {
        switchDedicated(this.#wq, null);
      } else {
        this.#idxd.command(COMMAND.drainPasid, this.pasid);
      }
      this.#sva.iommu_sva_unbind_device(this.#handle);
    } else {
      this.#wq.drain();
    }
    this.#wq.removeClient();
  }

  override state(): PlainData {
    return { kind: 'wq', wq: this.#wq.name, pasid: this.pasid };
  }

  #portal(page: keyof typeof PORTAL_PAGE): number {
    return this.#wq.portal(page);
  }

  #submit(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(i * 4, true));
    const descriptor = AnyDescriptor.decode(words);
    const isBatch = descriptor.opcode === OPCODE.batch;
    const isMisaligned =
      descriptor.recordAddressValid === 1 && descriptor.recordAddress % RECORD_ALIGNMENT !== 0n;
    if ((isBatch && this.#idxd.isFirstGeneration) || isMisaligned) {
      return -EINVAL;
    }
    words[0] = Math.max(0, this.pasid);
    if (this.#wq.isDedicated) {
      this.core.hw.movdir64b(0, this.#portal('unlimitedMsix'), words);
      return 0;
    }
    for (let attempt = 0; attempt <= this.#wq.config.enqcmds_retries; attempt++) {
      if (this.core.hw.enqcmds(0, this.#portal('unlimitedMsix'), words) === 'accepted') {
        return 0;
      }
      this.core.advance(RETRY_NS);
    }
    return -EAGAIN;
  }
}

/** Time between two tries of the kernel. */
const RETRY_NS = 500;

/** Opening the node for a process. */
export function openWq(
  parts: { readonly idxd: IdxdDevice; readonly wq: IdxdWq; readonly sva: Sva },
  caller: Caller,
): OpenFile | number {
  const { idxd, wq, sva } = parts;
  if (!wq.isBound) {
    return -ENODEV;
  }
  if (wq.isDedicated && wq.clients > 0 && idxd.core.defends('dwq-exclusive')) {
    return -EBUSY;
  }
  if (!idxd.isPasidEnabled) {
    wq.addClient();
    return new WqFile(parts, caller.mm, null);
  }
  const handle = sva.iommu_sva_bind_device(idxd.dev, caller.mm);
  if (IS_ERR(handle)) {
    return handle;
  }
  if (wq.isDedicated) {
    const result = switchDedicated(wq, sva.iommu_sva_get_pasid(handle));
    if (result < 0) {
      sva.iommu_sva_unbind_device(handle);
      return result;
    }
  }
  wq.addClient();
  return new WqFile(parts, caller.mm, handle);
}

/** A dedicated queue takes the PASID of its user, or none: off, PASID, on. */
function switchDedicated(wq: IdxdWq, pasid: number | null): number {
  wq.disable();
  wq.setPasid(pasid === null ? null : { pasid, priv: false });
  return wq.enableHardware() < 0 ? -ETIMEDOUT : 0;
}
