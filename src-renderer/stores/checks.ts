import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { CheckResult } from '../../src-main/protocol/lab-api.ts';

export interface CheckTally {
  readonly passed: number;
  readonly failed: number;
  readonly total: number;
}

export function tally(checks: readonly CheckResult[]): CheckTally {
  return {
    passed: checks.filter((check) => check.status === 'pass').length,
    failed: checks.filter((check) => check.status === 'fail' || check.status === 'error').length,
    total: checks.length,
  };
}

export const useChecksStore = defineStore('checks', () => {
  const checks = shallowRef<readonly CheckResult[]>([]);

  const byId = computed(() => new Map(checks.value.map((check) => [check.id, check])));
  const all = computed(() => tally(checks.value));

  function ofStep(stepId: string): readonly CheckResult[] {
    return checks.value.filter((check) => check.step === stepId);
  }

  function apply(next: readonly CheckResult[]): void {
    checks.value = next;
  }

  function reset(): void {
    checks.value = [];
  }

  return { checks, byId, all, ofStep, apply, reset };
});
