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
