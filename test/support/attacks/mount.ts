/** Does an attack in a scene between two rounds of benign work, and tells what it came to. */
import { breachesOf, interruptBreachesOf } from '../isolation-breaches.ts';
import type { Lab } from '../linux-machine.ts';
import type { Facts, Outcome } from './attack.ts';
import { metered } from './toll.ts';

export interface Parts {
  /** What the attacker does; what can be seen of it. */
  attack(): Facts;
  /** Work of somebody who attacks nobody: whether it did what it should. */
  benign(): boolean;
  /** What can be seen only when all that is over. */
  later?(): Facts;
}

export function mount(lab: Pick<Lab, 'machine' | 'rows' | 'rowsFrom'>, parts: Parts): Outcome {
  const before = parts.benign();
  const attack = metered(lab, () => parts.attack());
  const benign = metered(lab, () => parts.benign());
  return {
    breaches: breachesOf(lab),
    vectors: interruptBreachesOf(lab),
    seen: { ...attack.result, ...parts.later?.() },
    benign: { before, after: benign.result },
    cost: { attack: attack.toll, benign: benign.toll },
  };
}
