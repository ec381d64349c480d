/** Views in Chinese: every text that is not a name of a specification has its translation. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Section, TreeNode, ViewModel } from '../../../../src-main/protocol/views.ts';
import { translateView } from '../../../../src-main/services/views/translate-view.ts';
import { AVAILABLE_VIEWS, makeView } from '../../../../src-main/services/views/views.ts';
import { ZH_CN_PATTERNS } from '../../../../src-main/services/views/vocabulary/zh-cn-sentences.ts';
import { bootScene } from '../../../support/scene/boot-scene.ts';
import { bootLab } from '../../../support/linux-machine.ts';

const CHINESE = /[\u4e00-\u9fff]/u;
/** Names that the field writes alike in every language. */
const NAMES: ReadonlySet<string> = new Set([
  'sysfs',
  'fd',
  'iommufd',
  'UUID',
  'vCPU',
  'vIOMMU',
  'PASIDs',
  'ADIs',
  // Machines are called as their configuration says.
  'scene',
  'lab',
]);

function isName(text: string): boolean {
  // Register names, mnemonics, device names with their place or size, file paths, numbers.
  const pattern =
    /^[^a-z]*$|^[a-z]+\d\S*$|^\/sys\/|^0x|^[0-9a-f]{2}:[0-9a-f.]+ \w+$|^\w+: \d+ MiB$/;
  return NAMES.has(text) || pattern.test(text);
}

interface Found {
  readonly text: string;
  readonly where: string;
}

function labelsOf(model: ViewModel): readonly Found[] {
  const found: Found[] = [];
  const add = (where: string, text: string | undefined): void => {
    if (text !== undefined) found.push({ where: `${model.view} ${where}`, text });
  };
  const visitNode = (node: TreeNode): void => {
    node.detail?.forEach(visit);
    node.children?.forEach(visitNode);
  };
  const visit = (section: Section): void => {
    if (section.kind === 'structure' || section.kind === 'topology') return;
    if (section.kind !== 'chart' && section.kind !== 'bytes') add('title', section.title);
    if (section.kind === 'table') {
      section.columns.forEach((column) => {
        add('column', column.title);
        add('help', column.help);
      });
      if (section.empty !== '') add('empty', section.empty);
      section.rows.forEach((row) => row.detail?.forEach(visit));
    }
    if (section.kind === 'keyvalue') section.rows.forEach((row) => add('help', row.help));
    if (section.kind === 'tree') section.nodes.forEach(visitNode);
  };
  add('title', model.title);
  add('subtitle', model.subtitle);
  add('empty', model.empty);
  add('not modelled', model.notModelled);
  model.choices?.forEach((choice) => add('choice', choice.title));
  model.sections.forEach(visit);
  return found;
}

describe('views in Chinese', () => {
  let models: readonly ViewModel[];

  beforeAll(() => {
    const scene = bootScene();
    const old = bootScene(['queues', 'vdev'], { profile: 'kvmforum2019' });
    const bare = bootLab({ devices: [], params: { intel_iommu: false } });
    const { machine } = bare;
    const show = (view: (typeof AVAILABLE_VIEWS)[number]): ViewModel =>
      makeView(view, { machine, trace: machine.trace, at: 0, params: {} });
    models = AVAILABLE_VIEWS.flatMap((view) => [scene.show(view), old.show(view), show(view)]);
  });

  it('have titles, heads, explanations and empty states in Chinese', () => {
    const missing = models.flatMap((model) =>
      labelsOf(translateView(model, 'zh-CN')).filter(
        ({ text }) => !CHINESE.test(text) && !isName(text),
      ),
    );
    expect([...new Set(missing.map((m) => `${m.where}: ${m.text}`))]).toEqual([]);
  });

  it('keep identity, links and bits', () => {
    for (const model of models) {
      const translated = translateView(model, 'zh-CN');
      expect(translated.sections.map((s) => s.id)).toEqual(model.sections.map((s) => s.id));
      const structures = (m: ViewModel): string =>
        JSON.stringify(m.sections.filter((s) => s.kind === 'structure'));
      expect(structures(translated)).toBe(structures(model));
    }
  });

  it('are as they were in a language without vocabulary', () => {
    const [model] = models;
    if (model === undefined) throw new Error('no model');
    expect(translateView(model, 'en')).toBe(model);
    expect(translateView(model, undefined)).toBe(model);
  });

  it('put every changing part of a sentence into its translation', () => {
    for (const [english, chinese] of ZH_CN_PATTERNS) {
      const parts = english.split('{}').length - 1;
      const used = new Set([...chinese.matchAll(/\{(\d)\}/g)].map((m) => Number(m[1])));
      expect([...used].sort(), english).toEqual(Array.from({ length: parts }, (_, i) => i));
    }
  });
});
