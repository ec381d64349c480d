/** The glossary: terms that labs may name in `concepts` and link with `term:`. `glossary.yaml`, beside the labs. */
import * as v from 'valibot';
import type { GlossaryTerm } from '../../protocol/lab-api.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import type { LabLibrary } from '../lab-library.ts';
import { REQUIRED_LOCALES, type Locale } from './locale.ts';
import { schemaIssues } from './schema-issues.ts';
import { parseYaml } from './yaml-text.ts';

export interface Glossary {
  readonly terms: readonly GlossaryTerm[];
  /** Terms in the words of a language; what is missing there stays English. */
  readonly translations: ReadonlyMap<Locale, readonly GlossaryTerm[]>;
}

export interface ParsedGlossary {
  readonly glossary: Glossary;
  readonly issues: readonly LabIssue[];
}

const FILE = 'glossary.yaml';
const Text = v.pipe(v.string(), v.trim(), v.minLength(1, 'Expected some text'));
const Id = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'Expected lower-case words joined by hyphens'),
);

const GlossarySchema = v.strictObject({
  terms: v.array(v.strictObject({ id: Id, term: Text, short: Text, source: Text })),
});
/** A translation repeats neither the source nor what is written the same in every language. */
const TranslationSchema = v.strictObject({
  terms: v.array(v.strictObject({ id: Id, term: v.optional(Text), short: Text })),
});

export function loadGlossary(library: LabLibrary): ParsedGlossary {
  const text = library.readCourseText(FILE);
  if (text === null) return { glossary: { terms: [], translations: new Map() }, issues: [] };
  const { value, issues } = read(FILE, text, GlossarySchema);
  const terms = value?.terms ?? [];
  const found = REQUIRED_LOCALES.map((locale) => loadTranslation(library, locale, terms));
  return {
    glossary: {
      terms,
      translations: new Map(found.map(({ locale, terms: own }) => [locale, own])),
    },
    issues: [
      ...issues,
      ...repeated(FILE, terms),
      ...found.flatMap((translation) => translation.issues),
    ],
  };
}

function read<S extends v.GenericSchema>(
  file: string,
  text: string,
  schema: S,
): { readonly value: v.InferOutput<S> | undefined; readonly issues: readonly LabIssue[] } {
  const yaml = parseYaml(file, text);
  if (yaml.issues.length > 0) return { value: undefined, issues: yaml.issues };
  const parsed = v.safeParse(schema, yaml.value);
  if (parsed.success) return { value: parsed.output, issues: [] };
  const lineOf = (keys: readonly (string | number)[]): number => yaml.lineOf(keys);
  return { value: undefined, issues: schemaIssues(parsed.issues, schema, { file, lineOf }) };
}

function loadTranslation(
  library: LabLibrary,
  locale: Locale,
  terms: readonly GlossaryTerm[],
): {
  readonly locale: Locale;
  readonly terms: readonly GlossaryTerm[];
  readonly issues: readonly LabIssue[];
} {
  const file = `glossary.${locale}.yaml`;
  const text = library.readCourseText(file);
  if (text === null) {
    return {
      locale,
      terms,
      issues: [issue('translation-missing', file, `The glossary has no ${locale} translation`)],
    };
  }
  const { value, issues } = read(file, text, TranslationSchema);
  const own = new Map((value?.terms ?? []).map((term) => [term.id, term]));
  const missing = terms
    .filter((term) => value !== undefined && !own.has(term.id))
    .map((term) =>
      issue('translation-missing', file, `The term ${term.id} has no ${locale} translation`),
    );
  const unknown = [...own.keys()]
    .filter((id) => !terms.some((term) => term.id === id))
    .map((id) => issue('unknown-term', file, `The translated term ${id} is not in ${FILE}`));
  return {
    locale,
    terms: terms.map((term) => {
      const found = own.get(term.id);
      return found === undefined
        ? term
        : { ...term, term: found.term ?? term.term, short: found.short };
    }),
    issues: [...issues, ...missing, ...unknown],
  };
}

function repeated(file: string, terms: readonly GlossaryTerm[]): readonly LabIssue[] {
  return terms
    .filter((term, index) => terms.findIndex((other) => other.id === term.id) < index)
    .map((term) => issue('duplicate-id', file, `The term ${term.id} is there twice`));
}
