import { describe, expect, it } from 'vitest';
import { loadGlossary } from '../../../src-main/labs-engine/package/glossary.ts';
import { checkDeclarationIssues } from '../../../src-main/labs-engine/prove/check-declarations.ts';
import {
  memoryLibrary,
  problemsOf,
  tinyFolder,
  tinyLab,
  TINY_CHECKS,
  TINY_TRANSLATION,
} from '../../support/tiny-lab.ts';

const withTranslation = (text: string): readonly string[] =>
  problemsOf(tinyFolder({ 'i18n/zh-CN.md': text }));

describe('a translated lab', () => {
  it('has title, summary, steps and sentences of its own', () => {
    const translation = tinyLab().translations.get('zh-CN');
    expect(translation).toMatchObject({ title: '微小', summary: '报告答案。' });
    expect(translation?.steps[0]?.title).toBe('回答');
    expect(translation?.checks['answer']?.fail).toEqual({
      wrong: '{object}：{field} 是 {actual}，应为 {expected}',
    });
  });

  it.each([
    ['', 'translation-missing i18n/zh-CN.md: The lab has no zh-CN translation'],
    [
      TINY_TRANSLATION.replace('{#answer}', '{#anwser}'),
      'translation-missing i18n/zh-CN.md: Step answer is not translated',
    ],
    [
      TINY_TRANSLATION.replace('{#answer}', '{#anwser}'),
      'dead-link i18n/zh-CN.md:12: The lab has no step anwser',
    ],
    [
      TINY_TRANSLATION.replace(':::check id=answer\n:::\n', ''),
      'translation-missing i18n/zh-CN.md:12: Step answer: expected :::check answer, found :::hint answer-hint-1 (level 1)',
    ],
    [
      TINY_TRANSLATION.replace(':::hint level=1\n想一想。\n:::\n', ''),
      'translation-missing i18n/zh-CN.md:12: Step answer: expected :::hint answer-hint-1 (level 1), found the end of the step',
    ],
    [
      TINY_TRANSLATION.replace('summary: 报告答案。\n', ''),
      'schema i18n/zh-CN.md:2: summary is missing',
    ],
    ['no front matter', 'schema i18n/zh-CN.md:1: Expected front matter'],
  ])('says what it lacks', (text, problem) => {
    expect(withTranslation(text)).toContain(problem);
  });
});

describe('sentences of checks', () => {
  const problems = (text: string): readonly string[] =>
    checkDeclarationIssues(tinyLab({ 'i18n/zh-CN.md': text }), TINY_CHECKS).map(
      ({ code, message }) => `${code} ${message}`,
    );

  it('are all there, with the same places', () => {
    expect(problems(TINY_TRANSLATION)).toEqual([]);
  });

  it.each([
    [
      TINY_TRANSLATION.replace('  answer:\n', '  other:\n'),
      'translation-missing The sentences of check answer are not translated',
    ],
    [TINY_TRANSLATION.replace('  answer:\n', '  other:\n'), 'dead-link There is no check other'],
    [
      TINY_TRANSLATION.replace('wrong:', 'wrang:'),
      'translation-missing The sentence fail.wrong of check answer is not translated',
    ],
    [
      TINY_TRANSLATION.replace('wrong:', 'wrang:'),
      'dead-link Check answer has no sentence fail.wrang',
    ],
    [
      TINY_TRANSLATION.replace('{actual}', ''),
      'translation-missing The sentence fail.wrong of check answer names expected, field, object, expected actual, expected, field, object',
    ],
  ])('that differ are a problem', (text, problem) => {
    expect(problems(text)).toContain(problem);
  });
});

describe('the glossary', () => {
  const load = (texts: Readonly<Record<string, string>>): ReturnType<typeof loadGlossary> =>
    loadGlossary({ ...memoryLibrary({}), readCourseText: (path) => texts[path] ?? null });
  const english =
    'terms:\n  - { id: adi, term: ADI, short: A part, source: Spec }\n  - { id: iova, term: IOVA, short: An address, source: Spec }\n';

  it('has every term in every language, in the same order', () => {
    const { glossary, issues } = load({
      'glossary.yaml': english,
      'glossary.zh-CN.yaml':
        'terms:\n  - { id: iova, term: 地址, short: 一个地址 }\n  - { id: adi, short: 一部分 }\n',
    });
    expect(issues).toEqual([]);
    expect(glossary.translations.get('zh-CN')).toEqual([
      { id: 'adi', term: 'ADI', short: '一部分', source: 'Spec' },
      { id: 'iova', term: '地址', short: '一个地址', source: 'Spec' },
    ]);
  });

  it.each([
    [
      { 'glossary.yaml': english },
      'translation-missing glossary.zh-CN.yaml: The glossary has no zh-CN translation',
    ],
    [
      { 'glossary.yaml': english, 'glossary.zh-CN.yaml': 'terms: []' },
      'translation-missing glossary.zh-CN.yaml: The term adi has no zh-CN translation',
    ],
    [
      { 'glossary.yaml': 'terms: []', 'glossary.zh-CN.yaml': 'terms:\n  - { id: adi, short: x }' },
      'unknown-term glossary.zh-CN.yaml: The translated term adi is not in glossary.yaml',
    ],
    [
      { 'glossary.yaml': `${english}  - { id: adi, term: ADI, short: A part, source: Spec }\n` },
      'duplicate-id glossary.yaml: The term adi is there twice',
    ],
    [
      { 'glossary.yaml': 'terms:\n  - { id: adi, term: ADI, source: Spec }\n' },
      'schema glossary.yaml:2: terms.0.short is missing',
    ],
  ])('says what is wrong with it', (texts: Readonly<Record<string, string>>, problem) => {
    const found = load(texts).issues.map(
      ({ code, path, message }) => `${code} ${path}: ${message}`,
    );
    expect(found).toContain(problem);
  });
});
