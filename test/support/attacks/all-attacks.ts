/** Every attack that is mounted, in the order of docs/isolation.md. */
import type { Attack } from './attack.ts';
import { DENIALS } from './denials.ts';
import { EXTERNAL_PORTS } from './external-ports.ts';
import { FIRST_GENERATION, FOREIGN_PORTALS } from './foreign-portals.ts';
import { FORGED_PASIDS } from './forged-pasids.ts';
import { HOSTILE_INPUT } from './hostile-input.ts';
import { INTERRUPT_PERMISSIONS } from './interrupt-permissions.ts';
import { PASID_REUSE } from './pasid-reuse.ts';
import { PEERS } from './peers.ts';
import { REMANENCE } from './remanence.ts';
import { SHARED_PAGES } from './shared-pages.ts';
import { CHANGED_DESCRIPTORS, FOREIGN_DESCRIPTORS } from './slow-path.ts';
import { STALE_TRANSLATIONS } from './stale-translations.ts';
import { STRAY_INTERRUPTS } from './stray-interrupts.ts';
import { TRANSLATED_REQUESTS } from './translated-requests.ts';
import { UNDRAINED_QUEUES } from './undrained-queues.ts';
import { UNSAFE_INTERRUPTS } from './unsafe-interrupts.ts';

export const ATTACKS: readonly Attack[] = [
  ...FORGED_PASIDS,
  ...INTERRUPT_PERMISSIONS,
  ...FOREIGN_DESCRIPTORS,
  ...FOREIGN_PORTALS,
  ...SHARED_PAGES,
  ...STALE_TRANSLATIONS,
  ...TRANSLATED_REQUESTS,
  ...EXTERNAL_PORTS,
  ...STRAY_INTERRUPTS,
  ...PEERS,
  ...PASID_REUSE,
  ...UNDRAINED_QUEUES,
  ...REMANENCE,
  ...DENIALS,
  ...HOSTILE_INPUT,
  ...CHANGED_DESCRIPTORS,
  ...UNSAFE_INTERRUPTS,
  ...FIRST_GENERATION,
];
