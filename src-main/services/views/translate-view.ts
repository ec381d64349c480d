/**
 * Views in the language of the window. Views are written in English; this puts their texts through a vocabulary. Names of
 * registers, fields and structures and their explanations stay as their specifications print them.
 */
import type {
  KeyValueSection,
  Section,
  TableCell,
  TableRow,
  TableSection,
  TopologySection,
  TreeNode,
  ViewLink,
  ViewModel,
  WalkSection,
  WalkStep,
} from '../../protocol/views.ts';
import { ZH_CN_LABELS } from './vocabulary/zh-cn-labels.ts';
import { ZH_CN_PATTERNS, ZH_CN_SENTENCES } from './vocabulary/zh-cn-sentences.ts';

type Translate = (text: string) => string;

interface Pattern {
  readonly english: RegExp;
  readonly chinese: string;
}

const MAX_KNOWN = 20_000;
/** Codes with a name behind them: only the name is a word. */
const CODE_AND_NAME = /^(0x[0-9a-f]+|\d+) (.+)$/;

function patternOf([english, chinese]: readonly [string, string]): Pattern {
  const escaped = english.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return { english: new RegExp(`^${escaped.replaceAll(String.raw`\{\}`, '(.+?)')}$`), chinese };
}

class Vocabulary {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #patterns: readonly Pattern[];
  readonly #known = new Map<string, string>();

  constructor(
    texts: Readonly<Record<string, string>>,
    patterns: readonly (readonly [string, string])[],
  ) {
    this.#texts = new Map(Object.entries(texts));
    this.#patterns = patterns.map(patternOf);
  }

  readonly translate: Translate = (text) => {
    const exact = this.#texts.get(text) ?? this.#known.get(text);
    if (exact !== undefined) return exact;
    if (this.#known.size > MAX_KNOWN) this.#known.clear();
    const made = this.#byPattern(text);
    this.#known.set(text, made);
    return made;
  };

  #byPattern(text: string): string {
    for (const { english, chinese } of this.#patterns) {
      const found = english.exec(text);
      if (found !== null) {
        return chinese.replaceAll(/\{(\d)\}/g, (_, at: string) =>
          this.translate(found[Number(at) + 1] ?? ''),
        );
      }
    }
    const [, code, name] = CODE_AND_NAME.exec(text) ?? [];
    const word = name === undefined ? undefined : this.#texts.get(name);
    return word === undefined ? text : `${code ?? ''} ${word}`;
  }
}

const VOCABULARIES: Readonly<Partial<Record<string, Vocabulary>>> = {
  'zh-CN': new Vocabulary({ ...ZH_CN_LABELS, ...ZH_CN_SENTENCES }, ZH_CN_PATTERNS),
};

function optional<K extends string>(
  key: K,
  text: string | undefined,
  t: Translate,
): Readonly<Partial<Record<K, string>>> {
  return (text === undefined ? {} : { [key]: t(text) }) as Readonly<Partial<Record<K, string>>>;
}

function linkOf(link: ViewLink | undefined, t: Translate): { readonly link?: ViewLink } {
  return link === undefined ? {} : { link: { ...link, label: t(link.label) } };
}

function cellOf(cell: string | TableCell, t: Translate): string | TableCell {
  if (typeof cell === 'string') return t(cell);
  return {
    ...cell,
    text: t(cell.text),
    ...optional('help', cell.help, t),
    ...linkOf(cell.link, t),
  };
}

function rowOf(row: TableRow, t: Translate): TableRow {
  return {
    ...row,
    cells: row.cells.map((cell) => cellOf(cell, t)),
    ...linkOf(row.link, t),
    ...(row.detail === undefined ? {} : { detail: row.detail.map((s) => sectionOf(s, t)) }),
  };
}

function tableOf(section: TableSection, t: Translate): TableSection {
  return {
    ...section,
    ...optional('title', section.title, t),
    columns: section.columns.map((column) => ({
      ...column,
      title: t(column.title),
      ...optional('help', column.help, t),
    })),
    rows: section.rows.map((row) => rowOf(row, t)),
    empty: t(section.empty),
  };
}

function keyValueOf(section: KeyValueSection, t: Translate): KeyValueSection {
  return {
    ...section,
    ...optional('title', section.title, t),
    rows: section.rows.map((row) => ({
      ...row,
      key: t(row.key),
      value: t(row.value),
      ...optional('help', row.help, t),
      ...linkOf(row.link, t),
    })),
  };
}

function nodeOf(node: TreeNode, t: Translate): TreeNode {
  return {
    ...node,
    title: t(node.title),
    ...optional('subtitle', node.subtitle, t),
    ...linkOf(node.link, t),
    ...(node.children === undefined ? {} : { children: node.children.map((c) => nodeOf(c, t)) }),
    ...(node.detail === undefined ? {} : { detail: node.detail.map((s) => sectionOf(s, t)) }),
  };
}

function stepOf(step: WalkStep, t: Translate): WalkStep {
  return {
    ...step,
    title: t(step.title),
    outcome: t(step.outcome),
    ...optional('index', step.index, t),
    ...(step.nested === undefined ? {} : { nested: step.nested.map((s) => stepOf(s, t)) }),
  };
}

function walkOf(section: WalkSection, t: Translate): WalkSection {
  return {
    ...section,
    title: t(section.title),
    request: {
      ...section.request,
      access: t(section.request.access),
      ...optional('by', section.request.by, t),
    },
    steps: section.steps.map((step) => stepOf(step, t)),
    result: { ...section.result, text: t(section.result.text) },
  };
}

function topologyOf(section: TopologySection, t: Translate): TopologySection {
  return {
    ...section,
    nodes: section.nodes.map((node) => ({
      ...node,
      title: t(node.title),
      ...optional('subtitle', node.subtitle, t),
      ...linkOf(node.link, t),
    })),
    edges: section.edges.map((edge) => ({ ...edge, ...optional('label', edge.label, t) })),
  };
}

function sectionOf(section: Section, t: Translate): Section {
  switch (section.kind) {
    case 'table':
      return tableOf(section, t);
    case 'keyvalue':
      return keyValueOf(section, t);
    case 'tree':
      return {
        ...section,
        ...optional('title', section.title, t),
        nodes: section.nodes.map((node) => nodeOf(node, t)),
        empty: t(section.empty),
      };
    case 'walk':
      return walkOf(section, t);
    case 'topology':
      return topologyOf(section, t);
    case 'text':
      return { ...section, ...optional('title', section.title, t), text: t(section.text) };
    case 'bytes':
      return { ...section, ...optional('title', section.title, t) };
    default:
      return section;
  }
}

/** `model` in a language that has a vocabulary, as it is in any other. */
export function translateView(model: ViewModel, language: string | undefined): ViewModel {
  const vocabulary = VOCABULARIES[language ?? ''];
  if (vocabulary === undefined) return model;
  const t = vocabulary.translate;
  return {
    ...model,
    title: t(model.title),
    ...optional('subtitle', model.subtitle, t),
    ...optional('empty', model.empty, t),
    ...optional('notModelled', model.notModelled, t),
    ...(model.choices === undefined
      ? {}
      : {
          choices: model.choices.map((choice) => ({
            ...choice,
            title: t(choice.title),
            options: choice.options.map((o) => ({ ...o, title: t(o.title) })),
          })),
        }),
    sections: model.sections.map((section) => sectionOf(section, t)),
  };
}
