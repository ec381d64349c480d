/** The filter box of the trace: words, `-words`, and `pasid:`, `rid:`, `kind:`, `level:` terms. */
import type { TraceFilter } from '../../src-main/protocol/lab-api.ts';
import { parseRid } from './refs.ts';

type Level = NonNullable<TraceFilter['levels']>[number];

const LEVELS: readonly Level[] = ['info', 'guest-error', 'unimplemented', 'debug'];

export interface ParsedTraceFilter {
  readonly filter: TraceFilter;
  /** Terms that could not be understood; they do not filter. */
  readonly rejected: readonly string[];
}

export function parseTraceFilter(input: string): ParsedTraceFilter {
  const words: string[] = [];
  const rejected: string[] = [];
  const kinds: string[] = [];
  const levels: Level[] = [];
  let pasid: number | undefined;
  let rid: string | undefined;
  for (const token of input.split(/\s+/).filter((part) => part !== '')) {
    const [, name, value = ''] = /^(pasid|rid|kind|level):(.*)$/.exec(token) ?? [];
    if (name === undefined) {
      words.push(token);
      continue;
    }
    const number = Number(value);
    const parsedRid = parseRid(value);
    const level = LEVELS.find((known) => known === value);
    if (name === 'pasid' && value !== '' && Number.isInteger(number) && number >= 0) pasid = number;
    else if (name === 'rid' && parsedRid !== null) rid = parsedRid;
    else if (name === 'kind' && value !== '') kinds.push(value);
    else if (name === 'level' && level !== undefined) levels.push(level);
    else rejected.push(token);
  }
  const filter: TraceFilter = {
    ...(words.length > 0 && { text: words.join(' ') }),
    ...(kinds.length > 0 && { kinds }),
    ...(levels.length > 0 && { levels }),
    ...(pasid !== undefined && { pasid }),
    ...(rid !== undefined && { rid }),
  };
  return { filter, rejected };
}
