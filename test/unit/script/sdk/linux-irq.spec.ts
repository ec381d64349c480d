import { describe, expect, it } from 'vitest';
import { reportsOf, runScript } from '../../../support/linux-script.ts';
import { CREATE_VDEV, vdevMachine } from '../../../support/vdev-script.ts';

const IMPORTS = `
import { pci_devices, pci_enable_sriov } from 'linux/pci';
import { idxd_from_pci, idxd_submit_desc, idxd_wq_set_pasid, idxd_wq_enable } from 'linux/idxd';
import { request_irq, free_irq, irq_set_affinity, msi_domain_alloc_irqs, msi_domain_free_irqs, irqd_to_hwirq,
  irq_set_auxdata, ims_ctrl_pasid_aux, IMS_AUXDATA_CONTROL_WORD } from 'linux/irq';
import { IS_ERR, errname } from 'linux/errno';
import { report, state } from 'lab/oracle';
const dev = pci_devices()[0]!;
`;

describe('linux/irq', () => {
  it('allocates, binds, requests and frees entries of the message store', () => {
    const reports = reportsOf(
      `${IMPORTS}
const irqs = msi_domain_alloc_irqs(dev, 2);
if (typeof irqs === 'number') throw new Error(errname(irqs));
report('entries', irqs.map((irq) => irqd_to_hwirq(irq)).join());
const ims = (n: number) => state('ims/0000:6a:01.0/' + n) as { isMasked: boolean; pasid: number | null };
report('fresh', JSON.stringify([ims(0).isMasked, ims(0).pasid]));
report('aux', irq_set_auxdata(irqs[0]!, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(5, true)));
report('bound', ims(0).pasid);
report('request', request_irq(irqs[0]!, () => {}, 'mine'));
report('masked', ims(0).isMasked);
report('again', errname(request_irq(irqs[0]!, () => {}, 'mine')));
report('cpu', irq_set_affinity(irqs[0]!, 2));
report('irq', JSON.stringify([(state('irq/' + irqs[0]) as { cpu: number }).cpu]));
free_irq(irqs[0]!);
report('freed', ims(0).isMasked);
irq_set_auxdata(irqs[0]!, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(0, false));
report('unbound', ims(0).pasid);
msi_domain_free_irqs(dev, irqs);
report('gone', state('ims/0000:6a:01.0/1'));
report('none', errname(irqd_to_hwirq(irqs[0]!)));
report('too-many', errname(msi_domain_alloc_irqs(dev, 2048) as number));
`,
      vdevMachine(),
    );
    expect(reports).toEqual({
      entries: '0,1',
      fresh: '[true,null]',
      aux: 0,
      bound: 5,
      request: 0,
      masked: false,
      again: 'EBUSY',
      cpu: 0,
      irq: '[2]',
      freed: true,
      unbound: null,
      gone: null,
      none: 'EINVAL',
      'too-many': 'ENOSPC',
    });
  });

  it('refuses a device without a message store, and a word that is not there', () => {
    const run = runScript(
      `${IMPORTS}
report('plain', errname(msi_domain_alloc_irqs(dev, 1) as number));
irq_set_auxdata(24, 1, 0);
`,
    );
    expect(run.reports).toEqual({ plain: 'ENODEV' });
    expect(JSON.stringify(run.outcome)).toContain('which must be IMS_AUXDATA_CONTROL_WORD');
  });

  it('calls the handler of a script when the device sends the message', () => {
    const run = runScript(
      `${IMPORTS}${CREATE_VDEV}
import { dsa_hw_desc, DSA_OPCODE_NOOP, IDXD_OP_FLAG_RCI } from 'uapi/idxd';
import { movdir64b } from 'asm/enqcmd';
import { advance } from 'hw';
import { vdcm_vdevs } from 'linux/vdcm';
import { idxd_wq_portal, IDXD_PORTAL_UNLIMITED_IMS } from 'linux/idxd';
import { iommu_alloc_global_pasid, iommu_attach_device_pasid, iommu_paging_domain_alloc } from 'linux/iommu';
const wq = vdcm_vdevs()[0]!.wq;
const domain = iommu_paging_domain_alloc(dev);
if (typeof domain === 'number') throw new Error('domain');
const pasid = iommu_alloc_global_pasid(dev);
iommu_attach_device_pasid(domain, dev, pasid);
idxd_wq_set_pasid(wq, pasid, true);
report('enable', idxd_wq_enable(wq));
const irqs = msi_domain_alloc_irqs(dev, 1) as number[];
irq_set_auxdata(irqs[0]!, IMS_AUXDATA_CONTROL_WORD, ims_ctrl_pasid_aux(pasid, true));
let handled = 0;
request_irq(irqs[0]!, () => { handled++; }, 'mine');
const desc = dsa_hw_desc({ opcode: DSA_OPCODE_NOOP, flags: IDXD_OP_FLAG_RCI, int_handle: irqd_to_hwirq(irqs[0]!) });
movdir64b(idxd_wq_portal(wq, IDXD_PORTAL_UNLIMITED_IMS), desc);
advance(50_000);
report('handled', handled);
`,
      vdevMachine(),
    );
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(run.reports).toEqual({ enable: 0, handled: 1 });
  });
});
