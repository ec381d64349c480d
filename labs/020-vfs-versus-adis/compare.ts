// The same accelerator twice: one cuts itself into virtual functions, the other hands out ADIs. What does a tenant cost?
import { report } from 'lab/oracle';
import {
  PCI_DEVFN,
  pci_disable_sriov,
  pci_enable_sriov,
  pci_get_domain_bus_and_slot,
  pci_num_vf,
} from 'linux/pci';
import type { pci_dev } from 'linux/pci';
import { adi_alloc } from './adi.ts';
import type { Adi } from './adi.ts';
import { measure } from './meters.ts';
import type { Meters } from './meters.ts';

const TENANTS = 4;

function functionAt(bus: number): pci_dev {
  const dev = pci_get_domain_bus_and_slot(0, bus, PCI_DEVFN(1, 0));
  if (dev === null) {
    throw new Error(`No function at bus ${bus}`);
  }
  return dev;
}

const partitioned = functionAt(0x6a);
const shared = functionAt(0x6b);

/** What `make` adds to the machine. */
function costOf(make: () => void): Meters {
  // #region solution cost
  const before = measure();
  make();
  const after = measure();
  return {
    functions: after.functions - before.functions,
    config_bytes: after.config_bytes - before.config_bytes,
    msix_entries: after.msix_entries - before.msix_entries,
    context_entries: after.context_entries - before.context_entries,
    pasid_entries: after.pasid_entries - before.pasid_entries,
  };
  // #region starter
  // That is everything the machine has. How much of it is the doing of make()?
  make();
  return measure();
  // #endregion
  // #endregion
}

function reportCost(who: string, cost: Meters): void {
  console.log(who, cost);
  for (const [meter, value] of Object.entries(cost)) {
    report(`${who} ${meter}`, value);
  }
}

// ---- four tenants each way ----

function makeVfs(): void {
  // #region solution vfs
  const result = pci_enable_sriov(partitioned, TENANTS);
  console.log('pci_enable_sriov:', result);
  // #region starter
  // pci_enable_sriov(dev, count) turns virtual functions on.
  // #endregion
  // #endregion
}

const adis: Adi[] = [];

function makeAdis(): void {
  // #region solution adis
  while (adis.length < TENANTS) {
    adis.push(adi_alloc(shared));
  }
  // #region starter
  // adi_alloc(parent) makes one. Keep what it returns in adis.
  // #endregion
  // #endregion
}

reportCost('vf', costOf(makeVfs));
reportCost('adi', costOf(makeAdis));

// ---- who is who on the bus ----

/** The Requester ID on the requests of an ADI. */
function requesterIdOf(adi: Adi): number {
  // #region solution identity
  return adi.parent.rid;
  // #region starter
  // The first virtual function follows its function on the bus. Does the first ADI?
  return adi.parent.rid + 1 + adi.wq.id;
  // #endregion
  // #endregion
}

for (const [index, adi] of adis.entries()) {
  console.log(adi.wq.name, 'Requester ID', console.hex(requesterIdOf(adi)), 'PASID', adi.pasid);
  report(`rid ${index}`, requesterIdOf(adi));
}

// ---- one more ----

/** Makes a fifth virtual function. Returns how many tenants lose the one they had on the way. */
function oneMoreVf(): number {
  // #region solution vf-more
  const lost = pci_num_vf(partitioned);
  pci_disable_sriov(partitioned);
  pci_enable_sriov(partitioned, TENANTS + 1);
  return lost;
  // #region starter
  pci_enable_sriov(partitioned, TENANTS + 1);
  return 0;
  // #endregion
  // #endregion
}

/** Makes a fifth ADI. Returns how many tenants lose the one they had on the way. */
function oneMoreAdi(): number {
  // #region solution adi-more
  adis.push(adi_alloc(shared));
  return 0;
  // #region starter
  return TENANTS;
  // #endregion
  // #endregion
}

report('vf disturbed', oneMoreVf());
report('adi disturbed', oneMoreAdi());
