/** The checks of every lab by its id, so that a bundle holds them. A test keeps the list complete. */
import type { Check } from '../src-main/labs-engine/sdk/index.ts';
import { checks as findTheCapability } from './010-find-the-capability/checks.ts';

export const LAB_CHECKS: Readonly<Record<string, readonly Check[]>> = {
  'find-the-capability': findTheCapability,
};
