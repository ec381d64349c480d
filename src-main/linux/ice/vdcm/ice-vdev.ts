/**
 * A virtual network adapter: queue pairs of a real one. Doorbell pages are lent, contexts are trapped, vector 0 is played by
 * software, and each queue pair has a vector with an entry of the interrupt message storage. Intel's ice VDCM (ice_vdcm.c).
 *
 * Not modelled: the mailbox and its virtchnl messages (contexts stand in its place), several addresses, promiscuous guests.
 */
import { DOORBELL_PAGE_BYTES } from '../../../spec/nic/registers.ts';
import { VFIO_FLAGS as F } from '../../../spec/vfio/ioctl-numbers.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL } from '../../errno.ts';
import type { Ioasids } from '../../iommu/ioasid.ts';
import type { IrqBypass } from '../../irq/irq-bypass.ts';
import type { Irqs } from '../../irq/irq.ts';
import type { MdevDevice } from '../../mdev/mdev-device.ts';
import { MappedPages } from '../../vdcm/mapped-pages.ts';
import { RegisterTables } from '../../vdcm/register-tables.ts';
import { VdevInterrupts } from '../../vdcm/vdev-interrupts.ts';
import { VdevPasids } from '../../vdcm/vdev-pasids.ts';
import type { VdcmHooks } from '../../vdcm/vdcm-ops.ts';
import { VirtualConfig } from '../../vdcm/virtual-config.ts';
import { VirtualDevice, type VdevDescription, type VdevRegion } from '../../vdcm/virtual-device.ts';
import { VirtualMsix } from '../../vdcm/virtual-msix.ts';
import { wordRegion } from '../../vdcm/word-region.ts';
import type { RegionArea } from '../../vfio/device-requests.ts';
import type { Vfio } from '../../vfio/vfio.ts';
import type { IceDevice, IceQueuePair } from '../ice-device.ts';
import { RESET_STATUS, VNIC } from './places.ts';
import { VirtualContexts } from './virtual-contexts.ts';
import { vnicConfigSpace } from './vnic-config-space.ts';

export interface IceVdevParts {
  readonly core: Core;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly vfio: Vfio;
  readonly ioasids: Ioasids;
}

const BAR = { registers: 0, msix: 3 } as const;
const RW = F.VFIO_REGION_INFO_FLAG_READ | F.VFIO_REGION_INFO_FLAG_WRITE;

export class IceVdev extends VirtualDevice {
  readonly ice: IceDevice;
  readonly pairs: readonly IceQueuePair[];
  readonly config: VirtualConfig;
  readonly msix: VirtualMsix;
  readonly pasids: VdevPasids;
  readonly interrupts: VdevInterrupts;
  readonly regions: ReadonlyMap<number, VdevRegion>;
  readonly #hooks: VdcmHooks<IceVdev>;
  readonly #contexts: VirtualContexts;
  readonly #pages: MappedPages;

  constructor(
    parts: IceVdevParts,
    hooks: VdcmHooks<IceVdev>,
    mdev: MdevDevice,
    hardware: { readonly ice: IceDevice; readonly pairs: readonly IceQueuePair[] },
  ) {
    super(parts.core, mdev);
    const { ice, pairs } = hardware;
    this.ice = ice;
    this.pairs = pairs;
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
    this.config = new VirtualConfig(vnicConfigSpace(pairs.length + 1), {
      onBusMasterCleared: () => this.#contexts.stop(),
      onFunctionReset: () => this.#hooks.run('reset', this, true),
    });
    this.msix = new VirtualMsix(pairs.length + 1, {
      onMask: (entry, isMasked) => this.interrupts.setMasked(entry, isMasked),
      isPending: (entry) => this.interrupts.isPending(entry),
    });
    this.interrupts = new VdevInterrupts({
      irqs: parts.irqs,
      bypass: parts.bypass,
      pasids: this.pasids,
      name: mdev.uuid,
      vectors: pairs.length + 1,
      ims: ice.ims,
      didAcquire: (vector, index) => {
        pairs[vector - 1]?.setVector(index);
        return index;
      },
      willRelease: (vector) => pairs[vector - 1]?.setVector(null),
      permission: () => ({ ignore: false, pasid: null }),
      isMasked: (entry) => this.msix.isMasked(entry),
      onInstalled: (entry) => this.msix.unmask(entry),
    });
    this.#contexts = new VirtualContexts(
      parts.core.hw,
      pairs,
      () => this.config.isBusMaster && this.#hooks.run('wq_enable', this) === 0,
    );
    this.#pages = new MappedPages((offset) => this.#doorbellAt(offset)?.doorbell);
    this.regions = this.#makeRegions();
    pairs.forEach((pair) => {
      pair.owner = mdev.uuid;
      pair.publish();
    });
    // One address for the device; its first queue pair gets what is sent there.
    pairs[0]?.setAddress(true);
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  reset(isFull: boolean): void {
    this.#pages.close();
    this.interrupts.silence();
    this.#contexts.reset();
    if (isFull) {
      this.config.reset();
      this.msix.reset();
    }
    this.interrupts.restore();
    this.#openPages();
    this.publish();
  }

  close(): void {
    this.#pages.close();
    this.#stop();
    this.interrupts.request.disable();
    this.interrupts.disable();
    if (this.core.defends('reset-on-close')) {
      this.#contexts.reset();
      this.config.reset();
      this.msix.reset();
    }
    this.pasids.close();
    this.isOpen = false;
    this.publish();
  }

  /** The queue pairs speak with the PASID of the guest's memory: the guest has no say in it. */
  enableQueue(): number {
    const host = this.pasids.default;
    if (host < 0) {
      return EINVAL;
    }
    this.#setPasid(host);
    return 0;
  }

  didAttach(): void {
    this.interrupts.restore();
    this.#openPages();
    this.publish();
  }

  willDetach(): void {
    this.#pages.close();
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
    const [first] = this.pairs;
    return {
      device: this.ice.name,
      wq: this.pairs.map(({ name }) => name).join(' '),
      mode: 'dedicated',
      state: this.#contexts.isStarted ? 'enabled' : 'disabled',
      queue: {
        isEnabled: this.#contexts.isStarted,
        pasidEnable: false,
        pasid: 0,
        hardwarePasid: first?.pasid ?? null,
      },
      stagedSlots: 0,
      bar0: this.#contexts.shown(),
    };
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #openPages(): void {
    if (this.pasids.default >= 0) {
      this.#pages.open();
    }
  }

  /** Rings first: one that runs without a PASID would speak for the host. */
  #stop(): void {
    if (this.core.defends('drain-before-free')) {
      this.#contexts.stop();
      this.#setPasid(null);
    }
  }

  #setPasid(pasid: number | null): void {
    this.pairs.filter((pair) => pair.pasid !== pasid).forEach((pair) => pair.setPasid(pasid));
  }

  #doorbellAt(offset: number): IceQueuePair | undefined {
    return this.pairs[Math.floor((offset - VNIC.doorbells) / DOORBELL_PAGE_BYTES)];
  }

  #makeTables(): RegisterTables {
    const { hw } = this.core;
    const doorbell = (word: number): number => {
      const at = word * 4;
      const pair = this.#doorbellAt(VNIC.doorbells + at);
      return (pair?.doorbell ?? 0) + (at % DOORBELL_PAGE_BYTES);
    };
    return new RegisterTables([
      {
        at: VNIC.contexts,
        bytes: this.#contexts.bytes,
        read: (word) => this.#contexts.read(word * 4),
        write: (word, value) => this.#contexts.write(word * 4, value),
      },
      { at: VNIC.resetStatus, bytes: 4, read: () => RESET_STATUS.active, write: () => {} },
      {
        // The slow path of pages that are not mapped.
        at: VNIC.doorbells,
        bytes: this.pairs.length * DOORBELL_PAGE_BYTES,
        read: (word) => Number(hw.mmioRead(doorbell(word), 4)),
        write: (word, value) => hw.mmioWrite(doorbell(word), 4, BigInt(value)),
      },
    ]);
  }

  #makeRegions(): ReadonlyMap<number, VdevRegion> {
    const areas: readonly RegionArea[] = this.pairs.map((_, i) => ({
      offset: VNIC.doorbells + i * DOORBELL_PAGE_BYTES,
      size: DOORBELL_PAGE_BYTES,
    }));
    const flags = RW | F.VFIO_REGION_INFO_FLAG_MMAP;
    return new Map<number, VdevRegion>([
      [
        BAR.registers,
        {
          ...wordRegion(
            'BAR0',
            { size: VNIC.bar0Bytes, flags, mmapAreas: areas },
            this.#makeTables(),
          ),
          mmap: (area, offset) => this.#pages.mmap(area, offset),
        },
      ],
      [
        BAR.msix,
        wordRegion(
          'BAR3',
          { size: VNIC.bar3Bytes, flags: RW },
          new RegisterTables(this.msix.tables(VNIC.msixTable, VNIC.pendingBits)),
        ),
      ],
    ]);
  }
}
