/** Settings of one root port. */

export interface RootPortConfig {
  /** Bus number of what is plugged in. */
  readonly secondaryBus: number;
  /** Access control services, which older ports lack. */
  readonly hasAcs?: boolean;
}

export interface RootPortSettings {
  readonly secondaryBus: number;
  readonly hasAcs: boolean;
}

export interface RootPortConfigIssue {
  readonly path: string;
  readonly message: string;
}

const LAST_BUS = 0xff;

export function rootPortSettings({ secondaryBus, hasAcs }: RootPortConfig): RootPortSettings {
  return { secondaryBus, hasAcs: hasAcs ?? true };
}

/** @param bus on which the port is */
export function rootPortConfigIssues(
  { secondaryBus }: RootPortSettings,
  bus: number,
): readonly RootPortConfigIssue[] {
  const isBus = Number.isInteger(secondaryBus) && secondaryBus > bus && secondaryBus <= LAST_BUS;
  return isBus
    ? []
    : [
        {
          path: 'secondaryBus',
          message: `Expected a bus behind the port's own, ${bus + 1} to ${LAST_BUS}, found ${secondaryBus}`,
        },
      ];
}
