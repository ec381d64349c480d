/** Configuration space of a function: raw accesses and the walk along both capability lists. */
import type { Core } from '../core/core.ts';
import { EFAULT } from '../errno.ts';
import { PCI_REGS } from './pci-regs.ts';

/** What the walk needs of a function. */
export interface ConfigFunction {
  readonly rid: number;
}

const {
  PCI_CFG_SPACE_SIZE,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_CAPABILITY_LIST,
} = PCI_REGS;

/** More capabilities than this do not fit: a longer list is a loop. */
const MAX_CAPABILITIES = 48;
const MAX_EXTENDED = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8;
const ALL_ONES = 0xffff_ffff;

export class PciConfig {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  read(dev: ConfigFunction, where: number, bytes: 1 | 2 | 4): number {
    return this.#core.hw.configRead(dev.rid, where, bytes) >>> 0;
  }

  write(dev: ConfigFunction, where: number, bytes: 1 | 2 | 4, value: number): void {
    this.#core.hw.configWrite(dev.rid, where, bytes, value);
  }

  /** The access that a driver asked for: PCIBIOS_BAD_REGISTER_NUMBER becomes -EFAULT. */
  isValid(where: number, bytes: number): boolean {
    return where >= 0 && where % bytes === 0 && where + bytes <= PCI_CFG_SPACE_EXP_SIZE;
  }

  checkedRead(dev: ConfigFunction, where: number, bytes: 1 | 2 | 4): number {
    return this.isValid(where, bytes) ? this.read(dev, where, bytes) : -EFAULT;
  }

  checkedWrite(dev: ConfigFunction, where: number, bytes: 1 | 2 | 4, value: number): number {
    if (!this.isValid(where, bytes)) {
      return -EFAULT;
    }
    this.write(dev, where, bytes, value);
    return 0;
  }

  /** Sets and clears bits of a 16-bit register. */
  update16(dev: ConfigFunction, where: number, set: number, clear: number): void {
    this.write(dev, where, 2, (this.read(dev, where, 2) & ~clear) | set);
  }

  /** Offset of the first capability of this id from `start` on, 0 when there is none. */
  findCapability(dev: ConfigFunction, id: number, start?: number): number {
    if ((this.read(dev, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) === 0) {
      return 0;
    }
    let at = start ?? this.read(dev, PCI_CAPABILITY_LIST, 1);
    for (let left = MAX_CAPABILITIES; left > 0; left--) {
      at &= ~3;
      if (at < 0x40) {
        return 0;
      }
      const found = this.read(dev, at, 1);
      if (found === 0xff) {
        return 0;
      }
      if (found === id) {
        return at;
      }
      at = this.read(dev, at + 1, 1);
    }
    return 0;
  }

  /** Offset of the next extended capability of this id behind `start` (0: from the beginning), 0 when there is none. */
  findExtended(dev: ConfigFunction, id: number, start = 0): number {
    let at = start === 0 ? PCI_CFG_SPACE_SIZE : start;
    let header = this.read(dev, at, 4);
    if (header === 0 || header === ALL_ONES) {
      return 0;
    }
    for (let left = MAX_EXTENDED; left > 0; left--) {
      if ((header & 0xffff) === id && at !== start) {
        return at;
      }
      at = (header >>> 20) & 0xffc;
      if (at < PCI_CFG_SPACE_SIZE) {
        return 0;
      }
      header = this.read(dev, at, 4);
    }
    return 0;
  }

  /** Offset of the DVSEC of this vendor and id; others on the way are passed over. */
  findDvsec(dev: ConfigFunction, vendor: number, dvsec: number): number {
    let at = 0;
    for (;;) {
      at = this.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_DVSEC, at);
      if (at === 0) {
        return 0;
      }
      const hasVendor = this.read(dev, at + PCI_REGS.PCI_DVSEC_HEADER1, 2) === vendor;
      if (hasVendor && this.read(dev, at + PCI_REGS.PCI_DVSEC_HEADER2, 2) === dvsec) {
        return at;
      }
    }
  }
}
