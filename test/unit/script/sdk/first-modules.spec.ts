import { describe, expect, it } from 'vitest';
import { plainDevice, SIOV_CAPABILITIES } from '../../../support/linux-machine.ts';
import { reportsOf, runScript } from '../../../support/linux-script.ts';

const FIND_SIOV = `
import { pci_devices, pci_find_ext_capability, pci_find_next_ext_capability, pci_read_config_word, pci_read_config_dword,
  pci_pasid_features, PCI_EXT_CAP_ID_DVSEC, PCI_DVSEC_HEADER1, PCI_DVSEC_HEADER2, PCI_SIOV_CAPABILITIES } from 'linux/pci';
import { report } from 'lab/oracle';

for (const dev of pci_devices()) {
  let pos = pci_find_ext_capability(dev, PCI_EXT_CAP_ID_DVSEC);
  while (pos !== 0 && (pci_read_config_word(dev, pos + PCI_DVSEC_HEADER1) !== 0x8086 ||
      pci_read_config_word(dev, pos + PCI_DVSEC_HEADER2) !== 5)) {
    pos = pci_find_next_ext_capability(dev, pos, PCI_EXT_CAP_ID_DVSEC);
  }
  const capable = pos !== 0 && pci_pasid_features(dev) >= 0;
  report(dev.name, capable);
  if (capable) report(dev.name + '-ims', (pci_read_config_dword(dev, pos + PCI_SIOV_CAPABILITIES) & 1) === 1);
}
`;

describe('linux/pci', () => {
  it('lets a script find Scalable IOV functions by their capabilities', () => {
    const second = [{ kind: 'dvsec', offset: 0x100, id: 6 }, ...SIOV_CAPABILITIES.slice(1)];
    const reports = reportsOf(FIND_SIOV, {
      devices: [
        plainDevice('6a:01.0'),
        plainDevice('6a:02.0', [{ kind: 'dvsec', offset: 0x100, vendor: 0x1234 }]),
        plainDevice('6a:03.0', second),
        plainDevice('6a:04.0', [{ kind: 'dvsec', offset: 0x100 }]),
      ],
    });
    expect(reports).toEqual({
      '0000:6a:01.0': true,
      '0000:6a:01.0-ims': true,
      '0000:6a:02.0': false,
      '0000:6a:03.0': true,
      '0000:6a:03.0-ims': true,
      '0000:6a:04.0': false,
    });
  });

  it('refuses wrong arguments with a sentence that names them', () => {
    const run = runScript(`
import { pci_read_config_word } from 'linux/pci';
pci_read_config_word({} as never, 0);
`);
    expect(run.outcome).toMatchObject({ kind: 'failed' });
    expect(JSON.stringify(run.outcome)).toContain('dev must be a struct pci_dev');
  });
});

describe('linux/iommu', () => {
  const ATTACH = `
import { pci_get_device } from 'linux/pci';
import { iommu_paging_domain_alloc, iommu_map, iommu_alloc_global_pasid, iommu_attach_device_pasid,
  iommu_iova_to_phys, IOMMU_READ, IOMMU_WRITE } from 'linux/iommu';
import { IS_ERR, errname } from 'linux/errno';
import { alloc_pages } from 'hw';
import { report } from 'lab/oracle';

const dev = pci_get_device(0x8086, 0x0b25)!;
const domain = iommu_paging_domain_alloc(dev);
if (IS_ERR(domain)) throw new Error(errname(domain));
const page = alloc_pages(1);
report('map', iommu_map(domain, 0x10_0000, page, 0x1000, IOMMU_READ | IOMMU_WRITE));
const pasid = iommu_alloc_global_pasid(dev);
report('attach', iommu_attach_device_pasid(domain, dev, pasid));
report('again', errname(iommu_attach_device_pasid(domain, dev, pasid)));
report('phys', iommu_iova_to_phys(domain, 0x10_0123) === page + 0x123);
report('did', domain.did);
`;

  it('attaches a domain to a PASID, and the trace leads from the table back to the line', () => {
    const run = runScript(ATTACH);
    expect(run.outcome).toEqual({ kind: 'finished' });
    expect(run.reports).toMatchObject({ map: 0, attach: 0, again: 'EBUSY', phys: true });
    const written = run.rows('linux.pasid-entry.written').filter((r) => r.values['pasid'] === 1);
    expect(written.at(-1)?.values).toMatchObject({ word: 0 });
    const rows = new Map(run.rows().map((r) => [r.seq, r]));
    const chain: string[] = [];
    for (
      let row = rows.get(written.at(-1)?.seq ?? -1);
      row !== undefined;
      row = rows.get(row.cause)
    ) {
      chain.push(`${row.kind} ${row.values['call'] ?? ''}`.trim());
    }
    expect(chain).toEqual([
      'linux.pasid-entry.written',
      'linux.call.entered iommu_attach_device_pasid',
      'script.call.made iommu_attach_device_pasid',
    ]);
    const line = run
      .rows('script.call.made')
      .find((r) => r.values['call'] === 'iommu_attach_device_pasid');
    expect(line?.values).toMatchObject({ path: 'driver.ts', line: 15 });
  });

  it('gives the same trace for the same script', () => {
    expect(runScript(ATTACH).machine.trace.hash()).toBe(runScript(ATTACH).machine.trace.hash());
  });
});

describe('lab/oracle and hw', () => {
  it('show published state and physical memory', () => {
    const reports = reportsOf(`
import { state, state_keys, report, expect_equal } from 'lab/oracle';
import { read64, write64, alloc_pages, now, advance } from 'hw';
const page = alloc_pages(1);
write64(page, 0x1122_3344_5566_7788n);
report('value', read64(page));
report('groups', state_keys('iommu/group/').length);
report('mode', (state('iommu/unit/dmar0') as { mode: string }).mode);
report('met', expect_equal('one', 1, 1));
report('missed', expect_equal('two', 2, 1));
const before = now();
advance(1000);
report('time', now() - before);
`);
    expect(reports).toEqual({
      value: 0x1122_3344_5566_7788n,
      groups: 1,
      mode: 'scalable',
      met: true,
      missed: false,
      time: 1000,
    });
  });
});
