/**
 * The AW field of context and PASID table entries: how wide second-stage input addresses are and how many levels the walk
 * has. VT-d 5.10 sections 9.3 and 9.6. Which of them a unit supports is CAP_REG.SAGAW.
 */
export const AW = { bits39: 0b001, bits48: 0b010, bits57: 0b011 } as const;

export interface AddressWidth {
  readonly aw: number;
  readonly inputBits: number;
  readonly levels: number;
  /** Bit of CAP_REG.SAGAW that reports it, counted within the field. */
  readonly sagawBit: number;
}

export const ADDRESS_WIDTHS: readonly AddressWidth[] = [
  { aw: AW.bits39, inputBits: 39, levels: 3, sagawBit: 1 },
  { aw: AW.bits48, inputBits: 48, levels: 4, sagawBit: 2 },
  { aw: AW.bits57, inputBits: 57, levels: 5, sagawBit: 3 },
];

/** Undefined for the reserved encodings. */
export function addressWidthOf(aw: number): AddressWidth | undefined {
  return ADDRESS_WIDTHS.find((w) => w.aw === aw);
}
