/**
 * The checks of the labs that come with the app. They are code, so they are bundled: `labs/registry.ts` imports them all. A
 * lab from elsewhere has no checks here; who loads such a lab passes them along.
 */
import { LAB_CHECKS } from '../../../labs/registry.ts';
import type { LabPackage } from '../package/lab-package.ts';
import type { Check } from '../sdk/check.ts';

export function checksOf(lab: LabPackage): readonly Check[] {
  return LAB_CHECKS[lab.id] ?? [];
}
