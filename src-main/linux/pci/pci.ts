/**
 * The PCI core as drivers use it (drivers/pci): enumeration, capabilities, enabling, BARs, and the PASID, PRI and ATS
 * capabilities (drivers/pci/ats.c).
 *
 * Reads give the value itself where Linux stores it through a pointer; a misaligned or too high register gives the error
 * that pcibios_err_to_errno() would make of it, -EFAULT.
 */
import type { Core } from '../core/core.ts';
import { bindDriver, unbindDriver, type Driver } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EBUSY, EINVAL, ENODEV, ENOTTY } from '../errno.ts';
import { PciConfig } from './pci-config.ts';
import { PciDev, type PciResource } from './pci-dev.ts';
import { PCI_REGS } from './pci-regs.ts';
import { restorePciState, savePciState } from './pci-state.ts';
import {
  isExternal,
  readBars,
  rootBuses,
  scanBus,
  scanFunction,
  type FoundFunction,
} from './pci-scan.ts';

export interface PciDeviceId {
  readonly vendor: number;
  readonly device: number;
}

/** `struct pci_driver`. */
export interface PciDriver extends Driver<PciDev> {
  readonly id_table: readonly PciDeviceId[];
  /** `echo n > sriov_numvfs`: n virtual functions, 0 for none. */
  sriov_configure?(dev: PciDev, count: number): number;
}

/** Told when a function comes, goes, or changes how it takes part in translation. */
export interface PciObserver {
  added?(dev: PciDev): void;
  removed?(dev: PciDev): void;
  /** PASID, PRI or ATS was turned on or off. */
  featuresChanged?(dev: PciDev): void;
  /** A driver is about to bind; a negative error number refuses. */
  willBind?(dev: PciDev, driver: Driver<PciDev>): number;
  didUnbind?(dev: PciDev): void;
  /** A reset begins: nothing of the function may change until it is over. */
  willReset?(dev: PciDev): void;
  /** Its configuration is back. */
  didReset?(dev: PciDev): void;
}

const R = PCI_REGS;

export class Pci {
  readonly config: PciConfig;
  readonly #core: Core;
  readonly #sysfs: Sysfs;
  readonly #devices = new Map<number, PciDev>();
  readonly #observers: PciObserver[] = [];
  readonly #drivers: PciDriver[] = [];

  constructor(core: Core, sysfs: Sysfs) {
    this.#core = core;
    this.#sysfs = sysfs;
    this.config = new PciConfig(core);
    exportSymbols<Pci>(core, this, {
      calls: [
        'pci_write_config_byte',
        'pci_write_config_word',
        'pci_write_config_dword',
        'pci_enable_device',
        'pci_disable_device',
        'pci_set_master',
        'pci_clear_master',
        'pci_enable_pasid',
        'pci_disable_pasid',
        'pci_enable_pri',
        'pci_disable_pri',
        'pci_reset_pri',
        'pci_enable_ats',
        'pci_disable_ats',
        'pci_register_driver',
        'pci_unregister_driver',
        'pcie_flr',
        'pci_reset_function',
      ],
      queries: [
        'pci_get_device',
        'pci_get_domain_bus_and_slot',
        'pci_find_capability',
        'pci_find_next_capability',
        'pci_find_ext_capability',
        'pci_find_next_ext_capability',
        'pci_find_dvsec_capability',
        'pci_read_config_byte',
        'pci_read_config_word',
        'pci_read_config_dword',
        'pci_pasid_features',
        'pci_max_pasids',
        'pci_ats_queue_depth',
        'pci_resource_start',
        'pci_resource_len',
        'pci_iomap',
      ],
    });
  }

  // ---- devices -------------------------------------------------------------------------------------------------------

  /** In the order of their Requester IDs. */
  get devices(): readonly PciDev[] {
    return [...this.#devices.values()].sort((a, b) => a.rid - b.rid);
  }

  observe(observer: PciObserver): void {
    this.#observers.push(observer);
  }

  /** Enumerates every root bus. */
  scan(): void {
    rootBuses(this.#core).forEach((bus) => this.#scanBus(bus));
  }

  /** Bridges first, then what is below them. */
  #scanBus(bus: number): void {
    for (const found of scanBus(this.config, bus)) {
      this.add(found);
      if (found.secondaryBus !== undefined) {
        this.#scanBus(found.secondaryBus);
      }
    }
  }

  deviceAt(rid: number): PciDev | undefined {
    return this.#devices.get(rid);
  }

  /** Adds one function; drivers that know it are bound. */
  add(found: FoundFunction, physfn?: PciDev, resources?: readonly PciResource[]): PciDev {
    const bridge = this.devices.find((d) => d.secondaryBus === found.rid >>> 8);
    const dev = new PciDev({
      core: this.#core,
      sysfs: this.#sysfs,
      ...found,
      ...(physfn === undefined ? {} : { physfn }),
      ...(bridge === undefined ? {} : { bridge }),
    });
    dev.resources = resources ?? readBars(this.config, found);
    const isFacingOut = isExternal(this.#core, found.rid);
    // Whatever is below such a port or an untrusted one is untrusted (set_pcie_untrusted).
    dev.external_facing = dev.isBridge && isFacingOut;
    dev.untrusted =
      (!dev.isBridge && isFacingOut) ||
      bridge?.external_facing === true ||
      bridge?.untrusted === true;
    this.#devices.set(dev.rid, dev);
    dev.add();
    this.#addAttributes(dev);
    dev.publish();
    this.#observers.forEach((o) => o.added?.(dev));
    this.#drivers.forEach((driver) => this.#bindIfKnown(dev, driver));
    return dev;
  }

  /** Looks for a function that appeared at this Requester ID, for example a virtual function. */
  find(rid: number): FoundFunction | undefined {
    return scanFunction(this.config, rid);
  }

  remove(dev: PciDev): void {
    this.unbind(dev);
    this.#observers.forEach((o) => o.removed?.(dev));
    this.#devices.delete(dev.rid);
    dev.remove();
    this.#core.publish(`pci/${dev.name}`, undefined);
  }

  pci_get_device(vendor: number, device: number, from: PciDev | null = null): PciDev | null {
    const start = from === null ? -1 : from.rid;
    const matches = (dev: PciDev): boolean => dev.vendor === vendor && dev.device === device;
    return this.devices.find((dev) => dev.rid > start && matches(dev)) ?? null;
  }

  pci_get_domain_bus_and_slot(domain: number, bus: number, devfn: number): PciDev | null {
    return domain === 0 ? (this.#devices.get((bus << 8) | devfn) ?? null) : null;
  }

  // ---- drivers -------------------------------------------------------------------------------------------------------

  pci_register_driver(driver: PciDriver): number {
    if (this.#drivers.some((d) => d.name === driver.name)) {
      return -EBUSY;
    }
    this.#drivers.push(driver);
    this.#sysfs.mkdir(`bus/pci/drivers/${driver.name}`);
    this.devices.forEach((dev) => this.#bindIfKnown(dev, driver));
    return 0;
  }

  pci_unregister_driver(driver: PciDriver): void {
    const at = this.#drivers.findIndex((d) => d.name === driver.name);
    if (at < 0) {
      return;
    }
    this.devices.filter((d) => d.driver?.name === driver.name).forEach((d) => this.unbind(d));
    this.#drivers.splice(at, 1);
    this.#sysfs.remove(`bus/pci/drivers/${driver.name}`);
  }

  /** The sysfs way: `echo 0000:6a:01.0 > bind`. */
  bind(dev: PciDev, driver: PciDriver): number {
    for (const observer of this.#observers) {
      const refused = observer.willBind?.(dev, driver) ?? 0;
      if (refused < 0) {
        return refused;
      }
    }
    const result = bindDriver(dev, driver);
    if (result < 0) {
      this.#observers.forEach((o) => o.didUnbind?.(dev));
    }
    dev.publish();
    return result;
  }

  unbind(dev: PciDev): number {
    const result = unbindDriver(dev);
    if (result === 0) {
      this.#observers.forEach((o) => o.didUnbind?.(dev));
      dev.publish();
    }
    return result;
  }

  // ---- configuration space -------------------------------------------------------------------------------------------

  pci_find_capability(dev: PciDev, cap: number): number {
    return this.config.findCapability(dev, cap);
  }

  pci_find_next_capability(dev: PciDev, pos: number, cap: number): number {
    return this.config.findCapability(dev, cap, this.config.read(dev, pos + 1, 1));
  }

  pci_find_ext_capability(dev: PciDev, cap: number): number {
    return this.config.findExtended(dev, cap);
  }

  pci_find_next_ext_capability(dev: PciDev, pos: number, cap: number): number {
    return this.config.findExtended(dev, cap, pos);
  }

  pci_find_dvsec_capability(dev: PciDev, vendor: number, dvsec: number): number {
    return this.config.findDvsec(dev, vendor, dvsec);
  }

  pci_read_config_byte(dev: PciDev, where: number): number {
    return this.config.checkedRead(dev, where, 1);
  }

  pci_read_config_word(dev: PciDev, where: number): number {
    return this.config.checkedRead(dev, where, 2);
  }

  pci_read_config_dword(dev: PciDev, where: number): number {
    return this.config.checkedRead(dev, where, 4);
  }

  pci_write_config_byte(dev: PciDev, where: number, value: number): number {
    return this.config.checkedWrite(dev, where, 1, value);
  }

  pci_write_config_word(dev: PciDev, where: number, value: number): number {
    return this.config.checkedWrite(dev, where, 2, value);
  }

  pci_write_config_dword(dev: PciDev, where: number, value: number): number {
    return this.config.checkedWrite(dev, where, 4, value);
  }

  // ---- enabling ------------------------------------------------------------------------------------------------------

  pci_enable_device(dev: PciDev): number {
    dev.enable_cnt += 1;
    this.config.update16(dev, R.PCI_COMMAND, R.PCI_COMMAND_MEMORY, 0);
    dev.publish();
    return 0;
  }

  pci_disable_device(dev: PciDev): void {
    dev.enable_cnt = Math.max(0, dev.enable_cnt - 1);
    if (dev.enable_cnt === 0) {
      this.config.update16(dev, R.PCI_COMMAND, 0, R.PCI_COMMAND_MASTER);
      dev.is_busmaster = false;
    }
    dev.publish();
  }

  pci_set_master(dev: PciDev): void {
    this.config.update16(dev, R.PCI_COMMAND, R.PCI_COMMAND_MASTER, 0);
    dev.is_busmaster = true;
    dev.publish();
  }

  pci_clear_master(dev: PciDev): void {
    this.config.update16(dev, R.PCI_COMMAND, 0, R.PCI_COMMAND_MASTER);
    dev.is_busmaster = false;
    dev.publish();
  }

  hasFlr(dev: PciDev): boolean {
    const cap = this.config.findCapability(dev, R.PCI_CAP_ID_EXP);
    const devcap = cap === 0 ? 0 : this.config.read(dev, cap + R.PCI_EXP_DEVCAP, 4);
    return (devcap & R.PCI_EXP_DEVCAP_FLR) !== 0;
  }

  /** Function Level Reset; the function answers again after 100 ms. */
  pcie_flr(dev: PciDev): number {
    if (!this.hasFlr(dev)) {
      return -ENODEV;
    }
    const cap = this.config.findCapability(dev, R.PCI_CAP_ID_EXP);
    this.config.update16(dev, cap + R.PCI_EXP_DEVCTL, R.PCI_EXP_DEVCTL_BCR_FLR, 0);
    this.#core.advance(FLR_SETTLE_NS);
    return 0;
  }

  /** A reset after which the function is where it was: its configuration is kept. -ENOTTY when it has none. */
  pci_reset_function(dev: PciDev): number {
    if (!this.hasFlr(dev)) {
      return -ENOTTY;
    }
    this.#observers.forEach((o) => o.willReset?.(dev));
    const state = savePciState(this.config, dev);
    this.pcie_flr(dev);
    restorePciState(this.config, dev, state);
    this.#observers.forEach((o) => o.didReset?.(dev));
    return 0;
  }

  // ---- BARs ----------------------------------------------------------------------------------------------------------

  pci_resource_start(dev: PciDev, bar: number): number {
    return dev.resources.find((r) => r.bar === bar)?.start ?? 0;
  }

  pci_resource_len(dev: PciDev, bar: number): number {
    return dev.resources.find((r) => r.bar === bar)?.bytes ?? 0;
  }

  /** Address for readl() and writel(); 0 (NULL) when there is no such BAR. Mappings are one to one. */
  pci_iomap(dev: PciDev, bar: number, _maxlen = 0): number {
    return this.pci_resource_start(dev, bar);
  }

  // ---- PASID, PRI, ATS -----------------------------------------------------------------------------------------------

  pci_enable_pasid(dev: PciDev, features: number): number {
    if (dev.pasid.isEnabled) {
      this.#core.warn(`${dev.name}: PASID is enabled already`);
      return -EBUSY;
    }
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PASID);
    if (cap === 0 || (this.#passableFeatures(dev, cap) & features) !== features) {
      return -EINVAL;
    }
    this.config.write(dev, cap + R.PCI_PASID_CTRL, 2, R.PCI_PASID_CTRL_ENABLE | features);
    return this.#setFeature(dev, 'pasid', true, features);
  }

  pci_disable_pasid(dev: PciDev): void {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PASID);
    if (dev.pasid.isEnabled && cap !== 0) {
      this.config.write(dev, cap + R.PCI_PASID_CTRL, 2, 0);
      this.#setFeature(dev, 'pasid', false, 0);
    }
  }

  /** PCI_PASID_CAP_EXEC and PCI_PASID_CAP_PRIV as the function supports them. */
  pci_pasid_features(dev: PciDev): number {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PASID);
    return cap === 0 ? -EINVAL : this.#passableFeatures(dev, cap);
  }

  pci_max_pasids(dev: PciDev): number {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PASID);
    if (cap === 0) {
      return -EINVAL;
    }
    const width = this.config.read(dev, cap + R.PCI_PASID_CAP, 2) >>> R.PCI_PASID_CAP_WIDTH_SHIFT;
    return 2 ** (width & 0x1f);
  }

  pci_enable_pri(dev: PciDev, reqs: number): number {
    if (dev.pri.isEnabled) {
      this.#core.warn(`${dev.name}: PRI is enabled already`);
      return -EBUSY;
    }
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PRI);
    if (cap === 0) {
      return -EINVAL;
    }
    const status = this.config.read(dev, cap + R.PCI_PRI_STATUS, 2);
    if ((status & R.PCI_PRI_STATUS_STOPPED) === 0) {
      return -EBUSY;
    }
    const allocated = Math.min(this.config.read(dev, cap + R.PCI_PRI_MAX_REQ, 4), reqs);
    this.config.write(dev, cap + R.PCI_PRI_ALLOC_REQ, 4, allocated);
    this.config.write(dev, cap + R.PCI_PRI_CTRL, 2, R.PCI_PRI_CTRL_ENABLE);
    return this.#setFeature(dev, 'pri', true, allocated);
  }

  pci_disable_pri(dev: PciDev): void {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PRI);
    if (dev.pri.isEnabled && cap !== 0) {
      this.config.update16(dev, cap + R.PCI_PRI_CTRL, 0, R.PCI_PRI_CTRL_ENABLE);
      this.#setFeature(dev, 'pri', false, 0);
    }
  }

  pci_reset_pri(dev: PciDev): number {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_PRI);
    if (dev.pri.isEnabled) {
      return -EBUSY;
    }
    if (cap === 0) {
      return -EINVAL;
    }
    this.config.write(dev, cap + R.PCI_PRI_CTRL, 2, R.PCI_PRI_CTRL_RESET);
    return 0;
  }

  pci_enable_ats(dev: PciDev, ps: number): number {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_ATS);
    if (cap === 0 || (dev.untrusted && this.#core.defends('ats-only-trusted'))) {
      return -EINVAL;
    }
    if (dev.ats.isEnabled) {
      this.#core.warn(`${dev.name}: ATS is enabled already`);
      return -EBUSY;
    }
    if (ps < R.PCI_ATS_MIN_STU) {
      return -EINVAL;
    }
    const control = R.PCI_ATS_CTRL_ENABLE | (ps - R.PCI_ATS_MIN_STU);
    this.config.write(dev, cap + R.PCI_ATS_CTRL, 2, control);
    return this.#setFeature(dev, 'ats', true, ps);
  }

  pci_disable_ats(dev: PciDev): void {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_ATS);
    if (dev.ats.isEnabled && cap !== 0) {
      this.config.update16(dev, cap + R.PCI_ATS_CTRL, 0, R.PCI_ATS_CTRL_ENABLE);
      this.#setFeature(dev, 'ats', false, 0);
    }
  }

  pci_ats_queue_depth(dev: PciDev): number {
    const cap = this.#extended(dev, R.PCI_EXT_CAP_ID_ATS);
    if (cap === 0) {
      return -EINVAL;
    }
    return this.config.read(dev, cap + R.PCI_ATS_CAP, 2) & R.PCI_ATS_CAP_QDEP || 32;
  }

  /** Capabilities that virtual functions share with their physical function are looked up there. */
  #extended(dev: PciDev, id: number): number {
    return this.config.findExtended(dev, id);
  }

  #passableFeatures(dev: PciDev, cap: number): number {
    const supported = this.config.read(dev, cap + R.PCI_PASID_CAP, 2);
    return supported & (R.PCI_PASID_CAP_EXEC | R.PCI_PASID_CAP_PRIV);
  }

  #setFeature(
    dev: PciDev,
    feature: 'pasid' | 'pri' | 'ats',
    isEnabled: boolean,
    value: number,
  ): number {
    dev[feature].isEnabled = isEnabled;
    dev[feature].value = value;
    dev.publish();
    this.#observers.forEach((o) => o.featuresChanged?.(dev));
    return 0;
  }

  #bindIfKnown(dev: PciDev, driver: PciDriver): void {
    const isKnown = driver.id_table.some(
      (id) => id.vendor === dev.vendor && id.device === dev.device,
    );
    if (isKnown && dev.driver === null) {
      this.bind(dev, driver);
    }
  }

  #addAttributes(dev: PciDev): void {
    const attributes: Readonly<Record<string, number>> = {
      vendor: dev.vendor,
      device: dev.device,
      class: dev.class,
    };
    for (const [name, value] of Object.entries(attributes)) {
      this.#sysfs.file(`${dev.path}/${name}`, { show: () => `0x${value.toString(16)}` });
    }
  }
}

const FLR_SETTLE_NS = 100_000_000;
