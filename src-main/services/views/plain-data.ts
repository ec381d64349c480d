/** Careful reading of what software published: the view shows what is there and nothing else. */
import type { PlainData } from '../../sim/index.ts';

export type PlainRecord = Readonly<Record<string, PlainData>>;

export function record(value: PlainData | undefined): PlainRecord | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as PlainRecord)
    : undefined;
}

export function text(value: PlainRecord, key: string): string | undefined {
  const found = value[key];
  return found === undefined || found === null || typeof found === 'object'
    ? undefined
    : String(found);
}

/** Any plain value on one line. */
export function inline(value: PlainData | undefined): string {
  if (value === undefined || value === null) {
    return '—';
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? 'none' : value.map((v) => inline(v as PlainData)).join(', ');
  }
  if (typeof value === 'object') {
    return Object.entries(value as PlainRecord)
      .map(([k, v]) => `${k}=${inline(v)}`)
      .join(' ');
  }
  return String(value);
}
