/**
 * A virtual QAT device: one ring pair of a real one. The first page of its bank is lent to the guest and so are its doorbells;
 * the second page, where rings are placed, is trapped. Linux drivers/crypto/intel/qat; QATlib. Where ring pairs of the real
 * device share pages nothing can be lent: every access of the guest traps (Scalable IOV section 3.1).
 *
 * The guest can start its rings by the page that it has, without the host's knowledge. So the host writes the PASID when the
 * address space is attached, and takes the page away before the PASID goes.
 */
import {
  BANK_PAGE_BYTES,
  BANK_REGISTER_BYTES,
  QAT_CONFIG,
  RING_PAIR_PASID,
  RING_PAIR_RESET,
  RING_PAIR_VECTOR,
} from '../../../spec/qat/registers.ts';
import { VFIO_FLAGS as F } from '../../../spec/vfio/ioctl-numbers.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL } from '../../errno.ts';
import type { Ioasids } from '../../iommu/ioasid.ts';
import type { IrqBypass } from '../../irq/irq-bypass.ts';
import type { Irqs } from '../../irq/irq.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { PAGE_BYTES } from '../../mm/page-allocator.ts';
import { MappedPages } from '../../vdcm/mapped-pages.ts';
import { RegisterTables, type RegisterTable } from '../../vdcm/register-tables.ts';
import { VdevInterrupts } from '../../vdcm/vdev-interrupts.ts';
import { VdevPasids } from '../../vdcm/vdev-pasids.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import { VirtualConfig } from '../../vdcm/virtual-config.ts';
import { VirtualDevice, type VdevDescription, type VdevRegion } from '../../vdcm/virtual-device.ts';
import { VirtualMsix } from '../../vdcm/virtual-msix.ts';
import { wordRegion } from '../../vdcm/word-region.ts';
import type { Vfio } from '../../vfio/vfio.ts';
import type { QatDevice, QatRingPair } from '../qat-device.ts';
import { SERVICE_ID, VQAT } from './places.ts';
import { vqatConfigSpace } from './vqat-config-space.ts';

export interface QatVdevParts {
  readonly core: Core;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly vfio: Vfio;
  readonly ioasids: Ioasids;
}

const BAR = { rings: 0, misc: 2, capabilities: 4 } as const;
const READ = F.VFIO_REGION_INFO_FLAG_READ;
const RW = READ | F.VFIO_REGION_INFO_FLAG_WRITE;
const HIDDEN: ReadonlySet<number> = new Set([RING_PAIR_PASID.offset, RING_PAIR_VECTOR.offset]);
const SHOWN_WORDS = BANK_REGISTER_BYTES / 4;

export class QatVdev extends VirtualDevice {
  readonly qat: QatDevice;
  readonly pair: QatRingPair;
  readonly config: VirtualConfig;
  readonly msix: VirtualMsix;
  readonly pasids: VdevPasids;
  readonly interrupts: VdevInterrupts;
  readonly regions: ReadonlyMap<number, VdevRegion>;
  readonly #hooks: VdcmHooks<QatVdev>;
  readonly #page: MappedPages;
  /** What the guest wrote to the configuration page, for panes. */
  readonly #written = new Uint32Array(SHOWN_WORDS);
  #interruptSource = 0;
  #interruptMask = 0;

  constructor(
    parts: QatVdevParts,
    hooks: VdcmHooks<QatVdev>,
    mdev: MdevDevice,
    hardware: { readonly qat: QatDevice; readonly pair: QatRingPair },
  ) {
    super(parts.core, mdev);
    const { qat, pair } = hardware;
    this.qat = qat;
    this.pair = pair;
    this.#hooks = hooks;
    this.pasids = new VdevPasids({
      core: parts.core,
      vfio: parts.vfio,
      ioasids: parts.ioasids,
      name: `vdev ${mdev.uuid}`,
      device: () => this.vfioDevice,
      // Only the default PASID is ever in the hardware.
      onFree: () => {},
    });
    this.config = new VirtualConfig(vqatConfigSpace(pair.service), {
      onBusMasterCleared: () => pair.reset(),
      onFunctionReset: () => this.#hooks.run('reset', this, true),
    });
    this.msix = new VirtualMsix(VQAT.vectors, {
      onMask: (entry, isMasked) => this.interrupts.setMasked(entry, isMasked),
      isPending: (entry) => this.interrupts.isPending(entry),
    });
    this.interrupts = new VdevInterrupts({
      irqs: parts.irqs,
      bypass: parts.bypass,
      pasids: this.pasids,
      name: mdev.uuid,
      vectors: VQAT.vectors,
      ims: qat.ims,
      didAcquire: (_vector, index) => {
        pair.setVector(index);
        return index;
      },
      willRelease: () => pair.setVector(null),
      permission: () => ({ ignore: false, pasid: null }),
      isMasked: (entry) => this.msix.isMasked(entry),
      onInstalled: (entry) => this.msix.unmask(entry),
    });
    const page = pair.fast - (pair.fast % PAGE_BYTES);
    this.#page = new MappedPages((offset) => (offset === 0 && this.#isPageLent ? page : undefined));
    this.regions = this.#makeRegions();
    pair.owner = mdev.uuid;
    pair.publish();
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  /** The PASID stays: it is the host's. */
  reset(isFull: boolean): void {
    this.interrupts.silence();
    this.pair.reset();
    this.#forget();
    if (isFull) {
      this.config.reset();
      this.msix.reset();
    }
    this.interrupts.restore();
    this.publish();
  }

  close(): void {
    this.#stop();
    this.interrupts.request.disable();
    this.interrupts.disable();
    if (this.core.defends('reset-on-close')) {
      this.pair.reset();
      this.#forget();
      this.config.reset();
      this.msix.reset();
    }
    this.pasids.close();
    this.isOpen = false;
    this.publish();
  }

  enableQueue(): number {
    const host = this.pasids.default;
    if (host < 0) {
      return EINVAL;
    }
    if (this.pair.pasid !== host) {
      this.pair.setPasid(host);
    }
    return 0;
  }

  didAttach(): void {
    if (this.pasids.default >= 0 && this.#hooks.run('wq_enable', this) === 0) {
      this.#page.open();
    }
    this.interrupts.restore();
    this.publish();
  }

  willDetach(): void {
    this.#stop();
    this.interrupts.silence();
  }

  willDetachPasid(): void {
    // Guest PASIDs never reach the hardware.
  }

  isMasked(vector: number): boolean {
    return this.msix.isMasked(vector);
  }

  protected describe(): VdevDescription {
    return {
      device: this.qat.name,
      wq: this.pair.name,
      mode: 'dedicated',
      state: this.pair.pasid === null ? 'disabled' : 'enabled',
      queue: {
        isEnabled: this.pair.pasid !== null,
        pasidEnable: false,
        pasid: 0,
        hardwarePasid: this.pair.pasid,
      },
      stagedSlots: 0,
      bar0: new Uint8Array(this.#written.slice().buffer),
    };
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  /** The page goes first, then what the rings do, then their name. */
  #stop(): void {
    this.#page.close();
    if (this.core.defends('drain-before-free')) {
      this.pair.reset();
      this.pair.setPasid(null);
    }
  }

  /** What lies in the same page would be lent with it. */
  get #isPageLent(): boolean {
    return this.pair.isPageItsOwn || !this.core.defends('portal-granularity');
  }

  #forget(): void {
    this.#written.fill(0);
    this.#interruptSource = 0;
    this.#interruptMask = 0;
  }

  #makeRegions(): ReadonlyMap<number, VdevRegion> {
    const rings = {
      size: VQAT.bar0Bytes,
      flags: RW,
      ...(this.#isPageLent
        ? {
            flags: RW | F.VFIO_REGION_INFO_FLAG_MMAP,
            mmapAreas: [{ offset: 0, size: BANK_PAGE_BYTES }],
          }
        : {}),
    };
    return new Map<number, VdevRegion>([
      [
        BAR.rings,
        {
          ...wordRegion('BAR0', rings, new RegisterTables(this.#ringTables())),
          mmap: (area, offset) => this.#page.mmap(area, offset),
        },
      ],
      [
        BAR.misc,
        wordRegion(
          'BAR2',
          { size: VQAT.bar2Bytes, flags: RW },
          new RegisterTables(this.#miscTables()),
        ),
      ],
      [
        BAR.capabilities,
        wordRegion(
          'BAR4',
          { size: VQAT.bar4Bytes, flags: READ },
          new RegisterTables([
            constant(VQAT.service, SERVICE_ID[this.pair.service]),
            constant(VQAT.ringPairs, 1),
          ]),
        ),
      ],
    ]);
  }

  /** The bank. Its second page without what is the host's; a reset is the host's to carry out and to wait for. */
  #ringTables(): readonly RegisterTable[] {
    const { hw } = this.core;
    const { fast, config } = this.pair;
    return [
      {
        at: 0,
        bytes: BANK_REGISTER_BYTES,
        read: (word) => Number(hw.mmioRead(fast + word * 4, 4)),
        write: (word, value) => hw.mmioWrite(fast + word * 4, 4, BigInt(value)),
      },
      {
        at: BANK_PAGE_BYTES,
        bytes: BANK_REGISTER_BYTES,
        read: (word) => (HIDDEN.has(word * 4) ? 0 : (config.words(word * 4, 1)[0] ?? 0)),
        write: (word, value) => this.#writeConfig(word * 4, value),
      },
    ];
  }

  #writeConfig(offset: number, value: number): void {
    const isKnown = QAT_CONFIG.registers.some((r) => r.offset === offset);
    if (!isKnown || HIDDEN.has(offset)) {
      return;
    }
    this.pair.config.writeWord(offset, value);
    if (offset === RING_PAIR_RESET.offset) {
      this.#written.fill(0);
    } else {
      this.#written[offset / 4] = value;
    }
  }

  #miscTables(): readonly RegisterTable[] {
    return [
      {
        at: VQAT.interruptSource,
        bytes: 4,
        read: () => this.#interruptSource,
        // Written to clear.
        write: (_word, value) => {
          this.#interruptSource = (this.#interruptSource & ~value) >>> 0;
        },
      },
      {
        at: VQAT.interruptMask,
        bytes: 4,
        read: () => this.#interruptMask,
        write: (_word, value) => {
          this.#interruptMask = value >>> 0;
        },
      },
      ...this.msix.tables(VQAT.msixTable, VQAT.pendingBits),
    ];
  }
}

function constant(at: number, value: number): RegisterTable {
  return { at, bytes: 4, read: () => value, write: () => {} };
}
