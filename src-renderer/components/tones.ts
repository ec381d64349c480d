import type { Tone } from '../../src-main/protocol/views.ts';
import type { IconName } from './icons.ts';

/** Null for tones that say nothing a reader could miss. */
export const TONE_ICONS: Readonly<Record<Tone, IconName | null>> = {
  neutral: null,
  muted: null,
  accent: 'dot',
  good: 'check-circle',
  warning: 'warning',
  fault: 'fault',
  stale: 'clock',
};
