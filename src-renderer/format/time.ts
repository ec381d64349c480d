/** Simulated time as text: exact, with the largest unit that keeps the number readable. */

const UNITS = [
  { ns: 1_000_000_000, name: 's' },
  { ns: 1_000_000, name: 'ms' },
  { ns: 1_000, name: 'µs' },
] as const;

export function formatSimTime(timeNs: number): string {
  for (const unit of UNITS) {
    if (timeNs < unit.ns) continue;
    return `${(timeNs / unit.ns).toFixed(3)} ${unit.name}`;
  }
  return `${String(timeNs)} ns`;
}

/** Every nanosecond, grouped by three with a thin space: `12 345 678 ns`. */
export function formatExactNs(timeNs: number): string {
  return `${groupDecimal(timeNs)} ns`;
}

export function groupDecimal(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}
