/** Markdown of guides to HTML: no raw HTML, lab links caught by the window, code coloured once its grammar has been loaded. */
import MarkdownIt, { type Env, type MarkdownIt as MarkdownParser } from 'markdown-it';
import { parseLabLink } from '../../format/links.ts';
import { highlightCode } from './highlight.ts';

export const LINK_ATTRIBUTE = 'data-lab-link';

/** How each open link was drawn, so that its end matches. */
const closers = new WeakMap<Env, string[]>();

function closersOf(env: Env | undefined): string[] {
  const known = env === undefined ? undefined : closers.get(env);
  const list = known ?? [];
  if (env !== undefined) closers.set(env, list);
  return list;
}

function createRenderer(): MarkdownParser {
  const markdown = new MarkdownIt({
    html: false,
    linkify: false,
    typographer: false,
    highlight: (code, language) => highlightCode(code, language) ?? '',
  });
  const { escapeHtml } = markdown.utils;
  markdown.validateLink = (url) => parseLabLink(url) !== null;
  markdown.renderer.rules.link_open = (tokens, index, _options, env) => {
    const href = String(tokens[index]?.attrGet('href') ?? '');
    const link = parseLabLink(href);
    if (link === null) {
      closersOf(env).push('</span>');
      return '<span>';
    }
    if (link.kind === 'external') {
      closersOf(env).push('</a>');
      return `<a href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer">`;
    }
    const mark = `${LINK_ATTRIBUTE}="${escapeHtml(href)}"`;
    if (link.kind === 'term') {
      closersOf(env).push('</span>');
      return `<span class="guide-term" role="button" tabindex="0" ${mark}>`;
    }
    // An anchor, not a button: it wraps like the text around it. The window follows it.
    closersOf(env).push('</a>');
    return `<a href="#" class="guide-link" ${mark}>`;
  };
  markdown.renderer.rules.link_close = (_tokens, _index, _options, env) =>
    closersOf(env).pop() ?? '';
  markdown.renderer.rules.table_open = () => '<div class="guide-table"><table>';
  markdown.renderer.rules.table_close = () => '</table></div>';
  return markdown;
}

const renderer = createRenderer();

export function renderMarkdown(text: string): string {
  return renderer.render(text, {});
}
