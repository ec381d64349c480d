import type { CheckResult } from '../../../src-main/protocol/lab-api.ts';
import type { Tone } from '../../../src-main/protocol/views.ts';
import type { IconName } from '../../components/icons.ts';

export const CHECK_LOOKS: Readonly<
  Record<CheckResult['status'], { readonly icon: IconName; readonly tone: Tone }>
> = {
  pass: { icon: 'check-circle', tone: 'good' },
  fail: { icon: 'cross-circle', tone: 'fault' },
  error: { icon: 'warning', tone: 'warning' },
  notRun: { icon: 'circle', tone: 'muted' },
};
