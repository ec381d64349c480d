/** The opening line of a container directive: `:::hint level=2`, `:::spec "VT-d 5.10, section 9.6"`. */
import { didYouMean } from '../closest.ts';

export type DirectiveHead =
  | { readonly name: 'note' | 'why' }
  | { readonly name: 'spec'; readonly source: string }
  | { readonly name: 'check'; readonly id: string }
  | { readonly name: 'hint'; readonly level: 1 | 2 | 3; readonly id?: string }
  | { readonly name: 'predict'; readonly field: string; readonly id?: string };

export type ParsedDirective =
  { readonly head: DirectiveHead } | { readonly problem: string; readonly hint?: string };

const ATTRIBUTES = {
  note: [],
  why: [],
  spec: [],
  check: ['id'],
  hint: ['level', 'id'],
  predict: ['field', 'id'],
} as const satisfies Record<DirectiveHead['name'], readonly string[]>;
const NAMES = Object.keys(ATTRIBUTES);

const OPENING = /^:::+ *([a-z]+)(.*)$/;
const WORD = /([a-z]+)=(?:"([^"]*)"|(\S+))|"([^"]*)"|(\S+)/g;

export function parseDirective(line: string): ParsedDirective {
  const [, name = '', rest = ''] = OPENING.exec(line) ?? [];
  if (!isDirectiveName(name)) {
    const hint = didYouMean(name, NAMES) ?? `Known: ${NAMES.join(', ')}`;
    return { problem: `There is no directive ${name === '' ? line : `:::${name}`}`, hint };
  }
  const attributes = new Map<string, string>();
  const quoted: string[] = [];
  for (const [word, key, inQuotes, bare, text] of rest.matchAll(WORD)) {
    if (key !== undefined) attributes.set(key, inQuotes ?? bare ?? '');
    else if (text !== undefined) quoted.push(text);
    else return { problem: `:::${name} does not take ${word}` };
  }
  const allowed: readonly string[] = ATTRIBUTES[name];
  const unknown = [...attributes.keys()].find((key) => !allowed.includes(key));
  if (unknown !== undefined) {
    const known = allowed.length === 0 ? 'It takes none' : `It takes ${allowed.join(' and ')}`;
    return {
      problem: `:::${name} has no attribute ${unknown}`,
      hint: didYouMean(unknown, allowed) ?? known,
    };
  }
  if (quoted.length > 0 && name !== 'spec') {
    return { problem: `:::${name} takes no text on its first line` };
  }
  return headOf(name, attributes, quoted);
}

function isDirectiveName(name: string): name is DirectiveHead['name'] {
  return Object.hasOwn(ATTRIBUTES, name);
}

function headOf(
  name: DirectiveHead['name'],
  attributes: ReadonlyMap<string, string>,
  quoted: readonly string[],
): ParsedDirective {
  const id = attributes.get('id');
  const withId = id === undefined ? {} : { id };
  switch (name) {
    case 'note':
    case 'why':
      return { head: { name } };
    case 'spec': {
      const [source = ''] = quoted;
      return quoted.length === 1 && source !== ''
        ? { head: { name, source } }
        : { problem: ':::spec cites one place', hint: ':::spec "VT-d 5.10, section 9.6"' };
    }
    case 'check':
      return id === undefined || id === ''
        ? { problem: ':::check needs the id of a check', hint: ':::check id=pasid-attached' }
        : { head: { name, id } };
    case 'hint': {
      const level = Number(attributes.get('level'));
      return level === 1 || level === 2 || level === 3
        ? { head: { name, level, ...withId } }
        : { problem: `:::hint needs level 1, 2 or 3, found ${attributes.get('level') ?? 'none'}` };
    }
    case 'predict': {
      const field = attributes.get('field');
      return field === undefined || field === ''
        ? { problem: ':::predict needs the field it asks about', hint: ':::predict field=PGTT' }
        : { head: { name, field, ...withId } };
    }
  }
}
