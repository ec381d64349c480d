/** What the machine's isolation oracle found, one entry for each page, principal and owner. */
import type { Lab } from './linux-machine.ts';

const PAGE = 4096;

export interface Breach {
  /** On whose behalf the device worked. */
  readonly principal: string;
  readonly page: number;
  readonly owner: string;
}

export function breachesOf(lab: Pick<Lab, 'rows'>): readonly Breach[] {
  const found = new Map<string, Breach>();
  for (const { values } of lab.rows('isolation.page.breached')) {
    const address = Number(values['address']);
    const page = address - (address % PAGE);
    const [principal, owner] = [String(values['principal']), String(values['owner'])];
    found.set(`${principal} ${page} ${owner}`, { principal, page, owner });
  }
  return [...found.values()];
}

export interface InterruptBreach {
  /** On whose behalf the function sent the message. */
  readonly principal: string;
  readonly owner: string;
  readonly rid: number;
  readonly vector: number;
  /** 0: at a CPU, 1: in a posted-interrupt descriptor. */
  readonly arrival: number;
  /** 0: from an interrupt table, 1: by a write to memory. */
  readonly path: number;
}

/** Vectors that came by the doing of somebody else, oldest first. */
export function interruptBreachesOf(lab: Pick<Lab, 'rows'>): readonly InterruptBreach[] {
  return lab.rows('isolation.interrupt.breached').map(({ values }) => ({
    principal: String(values['principal']),
    owner: String(values['owner']),
    rid: Number(values['rid']),
    vector: Number(values['vector']),
    arrival: Number(values['arrival']),
    path: Number(values['path']),
  }));
}
