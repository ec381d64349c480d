/**
 * A driver that gives a dedicated queue to one process after the other, with SVA, and never asks the device whether it is
 * done with the former one: what the IOMMU driver does then is all that is done.
 */
import { invariant } from '../../../src-main/bits/invariant.ts';
import type { SvaHandle } from '../../../src-main/linux/iommu/sva.ts';
import type { Process } from '../../../src-main/linux/mm/process.ts';
import type { IdxdWq } from '../../../src-main/linux/idxd/wq.ts';
import type { IdxdLab } from '../linux-idxd.ts';
import { PAGE } from '../linux-sva.ts';

export class HastyDriver {
  readonly #lab: IdxdLab;
  readonly #wq: IdxdWq;
  #handle: SvaHandle | null = null;

  /** The queue waits at missing pages, and is enabled. */
  constructor(lab: IdxdLab, wq: IdxdWq) {
    this.#lab = lab;
    this.#wq = wq;
    for (const [path, text] of [
      [`bus/dsa/devices/${wq.name}/block_on_fault`, '1'],
      ['bus/dsa/drivers/dsa/bind', wq.name],
    ] as const) {
      invariant(lab.sysfsWrite(path, text) > 0, `${path} is written`);
    }
  }

  /** The queue works in the process's address space. Gives the PASID. */
  bind(process: Process): number {
    const handle = this.#lab.kernel.sva.iommu_sva_bind_device(this.#lab.dev, process.mm);
    invariant(typeof handle !== 'number', `${process.name} is bound`);
    this.#handle = handle;
    const pasid = this.#lab.kernel.sva.iommu_sva_get_pasid(handle);
    if (this.#wq.pasid?.pasid !== pasid) {
      this.#wq.disable();
      this.#wq.setPasid({ pasid, priv: false });
      this.#wq.enableHardware();
    }
    return pasid;
  }

  /** Address of the portal in the process. */
  map(process: Process): number {
    const { mm } = process;
    const area = mm.addArea(PAGE, {
      name: 'portal',
      isReadable: false,
      isWritable: true,
      isShared: true,
      offset: 0,
      kind: 'file',
    });
    invariant(
      mm.remap(area, area.vm_start, this.#wq.portal('unlimitedMsix'), PAGE) === 0,
      'The portal is mapped',
    );
    return area.vm_start;
  }

  /** The process is gone; the queue stays as it is. */
  unbind(): void {
    invariant(this.#handle !== null, 'Somebody is bound');
    this.#lab.kernel.sva.iommu_sva_unbind_device(this.#handle);
    this.#handle = null;
  }
}
