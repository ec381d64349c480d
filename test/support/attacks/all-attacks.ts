/** Every attack that is mounted, in the order of docs/isolation.md. */
import type { Attack } from './attack.ts';
import { DENIALS } from './denials.ts';
import { FIRST_GENERATION, FOREIGN_PORTALS } from './foreign-portals.ts';
import { FORGED_PASIDS } from './forged-pasids.ts';
import { HOSTILE_INPUT } from './hostile-input.ts';
import { PASID_REUSE } from './pasid-reuse.ts';
import { PEERS } from './peers.ts';
import { REMANENCE } from './remanence.ts';
import { STALE_TRANSLATIONS } from './stale-translations.ts';
import { STRAY_INTERRUPTS } from './stray-interrupts.ts';
import { TRANSLATED_REQUESTS } from './translated-requests.ts';
import { UNDRAINED_QUEUES } from './undrained-queues.ts';
import { UNSAFE_INTERRUPTS } from './unsafe-interrupts.ts';

export const ATTACKS: readonly Attack[] = [
  ...FORGED_PASIDS,
  ...FOREIGN_PORTALS,
  ...STALE_TRANSLATIONS,
  ...TRANSLATED_REQUESTS,
  ...STRAY_INTERRUPTS,
  ...PEERS,
  ...PASID_REUSE,
  ...UNDRAINED_QUEUES,
  ...REMANENCE,
  ...DENIALS,
  ...HOSTILE_INPUT,
  ...UNSAFE_INTERRUPTS,
  ...FIRST_GENERATION,
];
