/** Protected low and high memory regions: VT-d 5.10 section 11.4.8. Base and limit are inclusive, aligned by the hardware. */
import { numberOf } from '../../bits/u64.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import {
  PHMBASE_REG,
  PHMLIMIT_REG,
  PLMBASE_REG,
  PLMLIMIT_REG,
  PMEN_REG,
} from '../../spec/vtd/registers/protected-memory.ts';
import type { RegisterFile } from '../core/register-file.ts';
import { pieceMask } from './piece.ts';

const EPM = pieceMask(PMEN_REG, 'EPM');
const PRS = pieceMask(PMEN_REG, 'PRS');
/** Regions come in units of this many bytes; our choice (the specification leaves N to the implementation). */
const GRANULE = 0x20_0000;

export class ProtectedMemory {
  /** At least one region blocks something. */
  isActive = false;

  readonly #registers: RegisterFile;
  readonly #capability: IommuCapability;
  #low = { first: 0, last: -1 };
  #high = { first: 0, last: -1 };

  constructor(registers: RegisterFile, capability: IommuCapability) {
    this.#registers = registers;
    this.#capability = capability;
  }

  /** Takes over what software wrote, and brings PMEN_REG.PRS up to date. */
  refresh(): void {
    const { cap } = this.#capability;
    if (cap.PLMR === 0 && cap.PHMR === 0) {
      return;
    }
    const r = this.#registers;
    const control = r.peek32(PMEN_REG.offset);
    const isOn = (control & EPM) !== 0;
    r.poke32(PMEN_REG.offset, isOn ? control | PRS : control & ~PRS);
    this.#low = regionOf(
      isOn && cap.PLMR === 1,
      r.peek32(PLMBASE_REG.offset),
      r.peek32(PLMLIMIT_REG.offset),
    );
    this.#high = regionOf(
      isOn && cap.PHMR === 1,
      numberOf(r.peek32(PHMBASE_REG.offset + 4), r.peek32(PHMBASE_REG.offset)),
      numberOf(r.peek32(PHMLIMIT_REG.offset + 4), r.peek32(PHMLIMIT_REG.offset)),
    );
    this.isActive = this.#low.last >= this.#low.first || this.#high.last >= this.#high.first;
  }

  blocks(high: number, low: number): boolean {
    const address = numberOf(high, low);
    return (
      (address >= this.#low.first && address <= this.#low.last) ||
      (address >= this.#high.first && address <= this.#high.last)
    );
  }
}

function regionOf(isOn: boolean, base: number, limit: number): { first: number; last: number } {
  if (!isOn) {
    return { first: 0, last: -1 };
  }
  const first = Math.floor(base / GRANULE) * GRANULE;
  return { first, last: Math.floor(limit / GRANULE) * GRANULE + GRANULE - 1 };
}
