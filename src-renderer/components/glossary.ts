/** Finds glossary terms in running text, the first occurrence of each. */
import type { GlossaryTerm } from '../../src-main/protocol/lab-api.ts';
import type { InjectionKey, ShallowRef } from 'vue';

export const GLOSSARY: InjectionKey<Readonly<ShallowRef<readonly GlossaryTerm[]>>> =
  Symbol('glossary');

export type GlossaryPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'term'; readonly text: string; readonly term: GlossaryTerm };

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** A term with a capital in it (ADI, PASID) must match exactly; a plain word may start a sentence. */
function pattern(terms: readonly GlossaryTerm[]): RegExp | null {
  if (terms.length === 0) return null;
  const words = terms.map((entry) => entry.term).sort((a, b) => b.length - a.length);
  return new RegExp(`(?<![\\w-])(?:${words.map(escape).join('|')})(?![\\w-])`, 'g');
}

const patterns = new WeakMap<readonly GlossaryTerm[], RegExp | null>();

export function splitTerms(text: string, terms: readonly GlossaryTerm[]): readonly GlossaryPart[] {
  let regexp = patterns.get(terms);
  if (regexp === undefined) {
    regexp = pattern(terms);
    patterns.set(terms, regexp);
  }
  if (regexp === null) return [{ kind: 'text', text }];
  const parts: GlossaryPart[] = [];
  const seen = new Set<string>();
  let end = 0;
  for (const match of text.matchAll(regexp)) {
    const term = terms.find((entry) => entry.term === match[0]);
    if (term === undefined || seen.has(term.id)) continue;
    seen.add(term.id);
    if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
    parts.push({ kind: 'term', text: match[0], term });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
  return parts;
}
