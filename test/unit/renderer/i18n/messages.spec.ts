import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { VIEW_IDS } from '../../../../src-main/protocol/views.ts';
import { PRESET_NAMES } from '../../../../src-renderer/features/workbench/presets.ts';
import { en } from '../../../../src-renderer/i18n/en.ts';
import { i18n, pickLocale } from '../../../../src-renderer/i18n/index.ts';
import { zhCN } from '../../../../src-renderer/i18n/zh-cn.ts';

interface Tree {
  readonly [key: string]: string | Tree;
}

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') found.set(prefix + key, value);
    else for (const [inner, text] of flatten(value, `${prefix}${key}.`)) found.set(inner, text);
  }
  return found;
}

const english = flatten(en);
const chinese = flatten(zhCN as Tree);
const root = path.resolve(import.meta.dirname, '../../../../src-renderer');

/** Keys written as literals in calls of `t` and `translate`; parts in `${}` match anything. */
function usedKeys(): { readonly file: string; readonly pattern: RegExp; readonly text: string }[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(?:vue|ts)$/.test(name),
  );
  return files.flatMap((file) => {
    const source = readFileSync(path.join(root, file), 'utf8');
    const calls = source.matchAll(/(?<![\w.])(?:t|translate)\(([^)]*)/g);
    return [...calls].flatMap(([, inside = '']) =>
      [...inside.matchAll(/['`]([a-zA-Z]+\.[^'`\s]*)['`]/g)].map(([, text = '']) => ({
        file,
        text,
        pattern: new RegExp(
          `^${text
            .split(/\$\{[^}]*\}?/)
            .map((part) => part.replaceAll('.', String.raw`\.`))
            .join('[\\w-]+')}`,
        ),
      })),
    );
  });
}

describe('messages', () => {
  it('has the same keys in both languages', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it('uses the same placeholders in both languages', () => {
    const placeholders = (text: string): string[] =>
      [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name))].sort();
    for (const [key, text] of english) {
      expect([key, placeholders(chinese.get(key) ?? '')]).toEqual([key, placeholders(text)]);
    }
  });

  it('knows every key that the code names', () => {
    const used = usedKeys();
    expect(used.length).toBeGreaterThan(200);
    const keys = [...english.keys()];
    const unknown = used.filter(({ pattern }) => !keys.some((key) => pattern.test(key)));
    expect(unknown.map(({ file, text }) => `${file}: ${text}`)).toEqual([]);
  });

  it('names every view and every layout', () => {
    for (const view of VIEW_IDS) expect(english.has(`view.${view}`), view).toBe(true);
    for (const name of PRESET_NAMES) expect(english.has(`layout.${name}`), name).toBe(true);
  });

  it('resolves keys with hyphens, plurals and names', () => {
    const { t } = i18n.global;
    i18n.global.locale.value = 'en';
    expect(t('walk.stage.pasid-directory')).toBe('PASID directory');
    expect(t('trace.count', 1)).toBe('1 event');
    expect(t('trace.count', 7)).toBe('7 events');
    expect(t('status.open')).toBe('Connected');
    i18n.global.locale.value = 'zh-CN';
    expect(t('trace.count', 7)).toBe('7 个事件');
    i18n.global.locale.value = 'en';
  });
});

describe('pickLocale', () => {
  it.each([
    [['zh-TW', 'en'], 'zh-CN'],
    [['de', 'zh-Hans'], 'zh-CN'],
    [['en-GB'], 'en'],
    [['fr'], 'en'],
    [[], 'en'],
  ] as const)('takes the nearest of %j', (preferred, expected) => {
    expect(pickLocale(preferred)).toBe(expected);
  });
});
