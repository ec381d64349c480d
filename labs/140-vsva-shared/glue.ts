// Two answers of the host: may a guest have the portal, and what does a PASID of the guest mean?
import { find_vm, kvm_set_pasid_miss } from 'lab/vm';
import { EPERM } from 'linux/errno';
import type { vm_area_struct } from 'linux/mm';
import { vdcm_mmap, vdcm_set_ops, vdcm_vdevs, vdev_translate_pasid } from 'linux/vdcm';
import type { vdev } from 'linux/vdcm';

/** Device by VM. */
const UUIDS: { readonly [vm: string]: string } = {
  red: '83b8f4f2-509f-382f-3c1e-e6bfe0fae001',
  blue: '83b8f4f2-509f-382f-3c1e-e6bfe0fae002',
  old: '83b8f4f2-509f-382f-3c1e-e6bfe0fae003',
};

/** A VMM wants the portal in its address space, and so in its guest's. */
function mapPortal(dev: vdev, index: number, offset: number, vma: vm_area_struct): number {
  // #region solution contract
  if (!dev.is_pasid_translated) {
    return -EPERM;
  }
  // #region starter
  // Is it safe yet?
  // #endregion
  // #endregion
  return vdcm_mmap(dev, index, offset, vma);
}

/** The device of a VM. */
function deviceOf(name: string): vdev | undefined {
  // #region solution own
  return vdcm_vdevs().find((dev) => dev.uuid === UUIDS[name]);
  // #region starter
  // There is one queue, so any of its devices will do.
  return vdcm_vdevs().at(0);
  // #endregion
  // #endregion
}

/** What a PASID of a VM means on the host. @returns the host's PASID, undefined for a number that means nothing */
function lookUp(name: string, guestPasid: number): number | undefined {
  const dev = deviceOf(name);
  if (dev === undefined) {
    return undefined;
  }
  // #region solution fill
  const host = vdev_translate_pasid(dev, guestPasid);
  // #region starter
  // A first guess: the guest's number is as good as any.
  const host = guestPasid;
  // #endregion
  // #endregion
  // #region solution forged
  return host < 0 ? undefined : host;
  // #region starter
  // There has to be something that fits.
  return host < 0 ? dev.default_pasid : host;
  // #endregion
  // #endregion
}

/** Answers that were given, by VM and PASID. */
const answers = new Map<string, number>();

/** The CPU has no entry for a PASID of this VM. @returns the host's PASID to enter, undefined for #GP */
function miss(name: string, guestPasid: number): number | undefined {
  // #region solution freed
  const host = lookUp(name, guestPasid);
  // #region starter
  // An exit is expensive enough: look up each number only once.
  const host = answers.get(`${name} ${guestPasid}`) ?? lookUp(name, guestPasid);
  // #endregion
  // #endregion
  if (host !== undefined) {
    answers.set(`${name} ${guestPasid}`, host);
  }
  return host;
}

vdcm_set_ops({ mmap: mapPortal });
for (const name of Object.keys(UUIDS)) {
  const vm = find_vm(name);
  if (vm !== null) {
    kvm_set_pasid_miss(vm, (guestPasid) => miss(name, guestPasid));
  }
}
