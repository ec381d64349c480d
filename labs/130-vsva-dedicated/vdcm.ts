// The VDCM's answer to Enable WQ: which PASID goes into the real queue?
import { idxd_wq_disable, idxd_wq_enable, idxd_wq_set_pasid } from 'linux/idxd';
import { INVALID_IOASID, ioasid_find_by_spid, ioasid_get } from 'linux/ioasid';
import type { ioasid_set } from 'linux/ioasid';
import { vdcm_set_ops, vdcm_vdevs, vdcm_wq_enable, vdev_ioasid_set } from 'linux/vdcm';
import type { vdev } from 'linux/vdcm';

/** Error codes of CMDSTATUS. */
const WQ_PASID = 0x26;
const HARDWARE = 0x03;

/** The ids of the VM that has this device. */
function setOf(dev: vdev): ioasid_set | null {
  // #region solution own
  return vdev_ioasid_set(dev);
  // #region starter
  // There is one accelerator, so the set of its first device will do.
  const [any = dev] = vdcm_vdevs();
  return vdev_ioasid_set(any);
  // #endregion
  // #endregion
}

/** The host's PASID for a PASID of the guest, or INVALID_IOASID. */
function translate(dev: vdev, guestPasid: number): number {
  const set = setOf(dev);
  if (set === null) {
    return INVALID_IOASID;
  }
  // #region solution translate
  return ioasid_find_by_spid(set, guestPasid);
  // #region starter
  // A first guess: the guest's number is as good as any.
  return guestPasid;
  // #endregion
  // #endregion
}

/** The guest gave Enable WQ, and its configuration is consistent. @returns 0 or a code for CMDSTATUS */
function enable(dev: vdev): number {
  const guestPasid = dev.guest_pasid;
  if (guestPasid === null) {
    return vdcm_wq_enable(dev);
  }
  let host = translate(dev, guestPasid);
  // #region solution refuse
  if (host === INVALID_IOASID) {
    return WQ_PASID;
  }
  // #region starter
  // The guest wants its queue on. Some number has to go in.
  if (host === INVALID_IOASID) {
    host = dev.default_pasid;
  }
  // #endregion
  // #endregion
  idxd_wq_disable(dev.wq);
  idxd_wq_set_pasid(dev.wq, host, dev.guest_priv);
  if (idxd_wq_enable(dev.wq) < 0) {
    return HARDWARE;
  }
  // #region solution hold
  ioasid_get(setOf(dev), host);
  // #region starter
  // The queue holds the number from here on. Who knows of it?
  // #endregion
  // #endregion
  return 0;
}

vdcm_set_ops({ wq_enable: enable });
