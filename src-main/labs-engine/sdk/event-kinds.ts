/** Every kind of trace record by the block that writes it: `events.iommu.FAULT_RECORDED`. */
import * as cpu from '../../spec/events/cpu.ts';
import * as dsa from '../../spec/events/dsa.ts';
import * as interrupt from '../../spec/events/interrupt.ts';
import * as iommu from '../../spec/events/iommu.ts';
import * as iommuCommand from '../../spec/events/iommu-command.ts';
import * as isolation from '../../spec/events/isolation.ts';
import * as linux from '../../spec/events/linux.ts';
import * as localApic from '../../spec/events/local-apic.ts';
import * as nic from '../../spec/events/nic.ts';
import * as pcie from '../../spec/events/pcie.ts';
import * as platform from '../../spec/events/platform.ts';
import * as qat from '../../spec/events/qat.ts';
import * as script from '../../spec/events/script.ts';
import * as sriov from '../../spec/events/sriov.ts';
import * as vmm from '../../spec/events/vmm.ts';
import * as vmx from '../../spec/events/vmx.ts';

export const events = {
  cpu,
  dsa,
  interrupt,
  iommu,
  iommuCommand,
  isolation,
  linux,
  localApic,
  nic,
  pcie,
  platform,
  qat,
  script,
  sriov,
  vmm,
  vmx,
};
