/**
 * States of a device that migrates and the arcs between them (include/uapi/linux/vfio.h, vfio_mig_get_next_state in
 * drivers/vfio/vfio_main.c). A driver carries out single arcs; a request over several of them follows the shortest way that
 * does not pass through a saving state, unless it starts in one.
 */
export const MIGRATION_STATE = {
  ERROR: 0,
  STOP: 1,
  RUNNING: 2,
  STOP_COPY: 3,
  RESUMING: 4,
  RUNNING_P2P: 5,
  PRE_COPY: 6,
  PRE_COPY_P2P: 7,
} as const;
export type MigrationState = (typeof MIGRATION_STATE)[keyof typeof MIGRATION_STATE];

const S = MIGRATION_STATE;

/** Arcs that drivers know. */
const ARCS: Readonly<Record<MigrationState, readonly MigrationState[]>> = {
  [S.ERROR]: [],
  [S.STOP]: [S.RUNNING_P2P, S.STOP_COPY, S.RESUMING],
  [S.RUNNING]: [S.RUNNING_P2P, S.PRE_COPY],
  [S.STOP_COPY]: [S.STOP],
  [S.RESUMING]: [S.STOP],
  [S.RUNNING_P2P]: [S.RUNNING, S.STOP, S.PRE_COPY_P2P],
  [S.PRE_COPY]: [S.RUNNING, S.PRE_COPY_P2P],
  [S.PRE_COPY_P2P]: [S.RUNNING_P2P, S.PRE_COPY, S.STOP_COPY],
};
const SAVING: ReadonlySet<MigrationState> = new Set([S.STOP_COPY, S.PRE_COPY, S.PRE_COPY_P2P]);
const NAMES = new Map<number, string>(Object.entries(S).map(([name, value]) => [value, name]));

export function isMigrationState(value: number): value is MigrationState {
  return NAMES.has(value);
}

export function migrationStateName(state: MigrationState): string {
  return NAMES.get(state) ?? String(state);
}

/** States to go through, the target last; undefined where no way leads. */
export function migrationWay(
  from: MigrationState,
  to: MigrationState,
): readonly MigrationState[] | undefined {
  const isPreCopy = to === S.PRE_COPY || to === S.PRE_COPY_P2P;
  if (to === S.ERROR || (from === S.STOP_COPY && isPreCopy)) {
    return undefined;
  }
  let ways: (readonly MigrationState[])[] = [[]];
  const seen = new Set<MigrationState>([from]);
  for (; ways.length > 0;) {
    const longer: (readonly MigrationState[])[] = [];
    for (const way of ways) {
      const at = way.at(-1) ?? from;
      if (at === to) {
        return way;
      }
      for (const next of ARCS[at]) {
        const mayPass = next === to || !SAVING.has(next) || SAVING.has(at);
        if (mayPass && !seen.has(next)) {
          seen.add(next);
          longer.push([...way, next]);
        }
      }
    }
    ways = longer;
  }
  return undefined;
}
