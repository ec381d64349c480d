/** What a physical function says about its virtual functions. PCIe Base, "SR-IOV Extended Capability". */

export interface SriovSettings {
  /** TotalVFs and InitialVFs. */
  readonly totalVfs: number;
  /** Distance in Requester IDs from the physical to the first virtual function. */
  readonly firstOffset: number;
  /** Distance from one virtual function to the next. */
  readonly stride: number;
  /** Last bus number of the root port; the physical function's own bus when undefined. */
  readonly subordinateBus: number | undefined;
  readonly vfDeviceId: number;
}

const MAX_VFS = 0xffff;

export function sriovIssues(
  settings: SriovSettings,
): readonly { readonly path: string; readonly message: string }[] {
  const check = (path: keyof SriovSettings, low: number, high: number) => {
    const value = settings[path];
    return value === undefined || (Number.isInteger(value) && value >= low && value <= high)
      ? []
      : [
          {
            path: `sriov.${path}`,
            message: `Expected a whole number from ${low} to ${high}, found ${value}`,
          },
        ];
  };
  return [
    ...check('totalVfs', 1, MAX_VFS),
    ...check('firstOffset', 1, MAX_VFS),
    ...check('stride', 1, MAX_VFS),
    ...check('subordinateBus', 0, 0xff),
  ];
}
