import type { TraceRow } from '../../../src-main/protocol/lab-api.ts';
import type { Tone } from '../../../src-main/protocol/views.ts';

export const LEVEL_TONES: Readonly<Record<TraceRow['level'], Tone>> = {
  info: 'neutral',
  debug: 'muted',
  'guest-error': 'warning',
  unimplemented: 'stale',
};
