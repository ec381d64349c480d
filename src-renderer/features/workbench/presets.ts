/** Named pane arrangements. A lab names the one that shows its subject; the learner may take any. */
import type { GuideStep } from '../../../src-main/protocol/lab-api.ts';
import type { ViewId } from '../../../src-main/protocol/views.ts';
import { parseLabLink } from '../../format/links.ts';

export interface LayoutPreset {
  /** Views on the right, as tabs; the first one is in front. */
  readonly upper: readonly ViewId[];
  /** Views below them. */
  readonly lower: readonly ViewId[];
  /** The tool in front below the editor. */
  readonly tool: 'console' | 'trace';
}

export const PRESETS = {
  default: {
    upper: ['topology', 'pasid-table', 'work-queues'],
    lower: ['counters', 'memory'],
    tool: 'console',
  },
  'first-vdev': {
    upper: ['pasid-table', 'work-queues', 'topology'],
    lower: ['page-walk', 'sysfs', 'fault-records'],
    tool: 'console',
  },
  'config-space': {
    upper: ['pci-config', 'device-registers'],
    lower: ['topology', 'counters'],
    tool: 'console',
  },
  'vdev-config': {
    upper: ['vdev', 'topology'],
    lower: ['counters', 'ept'],
    tool: 'trace',
  },
  functions: {
    upper: ['topology', 'pci-config', 'pasid-table'],
    lower: ['counters'],
    tool: 'console',
  },
  'device-files': { upper: ['sysfs', 'vfio'], lower: ['topology', 'counters'], tool: 'console' },
  'vfio-user': { upper: ['vfio', 'domains'], lower: ['pasid-table', 'memory'], tool: 'console' },
  mdev: { upper: ['sysfs', 'topology'], lower: ['vdev', 'counters'], tool: 'console' },
  vfio: { upper: ['vfio', 'vdev'], lower: ['ept', 'domains'], tool: 'trace' },
  'fast-path': {
    upper: ['vdev', 'ept', 'portals'],
    lower: ['counters', 'work-queues'],
    tool: 'console',
  },
  translation: {
    upper: ['pasid-table', 'page-walk', 'domains'],
    lower: ['iotlb', 'fault-records'],
    tool: 'trace',
  },
  caches: {
    upper: ['iotlb', 'pasid-cache', 'context-cache', 'device-tlb'],
    lower: ['invalidation-queue', 'page-walk'],
    tool: 'trace',
  },
  queues: {
    upper: ['work-queues', 'portals', 'rings'],
    lower: ['memory', 'counters'],
    tool: 'console',
  },
  interrupts: {
    upper: ['interrupts', 'posted-interrupts'],
    lower: ['device-registers', 'counters'],
    tool: 'trace',
  },
  sva: {
    upper: ['pasid-table', 'page-requests', 'page-walk'],
    lower: ['page-request-queue', 'device-tlb'],
    tool: 'trace',
  },
  viommu: {
    upper: ['nested-walk', 'viommu', 'pasid-table'],
    lower: ['invalidation-queue', 'ept'],
    tool: 'trace',
  },
  vsva: {
    upper: ['ioasid', 'viommu', 'nested-walk'],
    lower: ['page-request-queue', 'work-queues'],
    tool: 'trace',
  },
  isolation: {
    upper: ['isolation', 'fault-records', 'topology'],
    lower: ['iotlb', 'counters'],
    tool: 'trace',
  },
  sharing: {
    upper: ['sharing-cost', 'work-queues'],
    lower: ['counters', 'portals'],
    tool: 'console',
  },
} as const satisfies Readonly<Record<string, LayoutPreset>>;

export type PresetName = keyof typeof PRESETS;

function isPresetName(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name);
}

export const PRESET_NAMES: readonly PresetName[] = Object.keys(PRESETS).filter(isPresetName);

const MAX_LINKED = 5;

/** Views that a guide points at, in the order of its text. */
export function linkedViews(steps: readonly GuideStep[]): readonly ViewId[] {
  const found = new Set<ViewId>();
  for (const block of steps.flatMap((step) => step.blocks)) {
    if (!('text' in block)) continue;
    for (const match of block.text.matchAll(/\]\((view:[^)\s]+)\)/g)) {
      const link = parseLabLink(match[1] ?? '');
      if (link?.kind === 'view') found.add(link.view);
    }
  }
  return [...found];
}

/** A name without a preset is arranged from what the guide points at. */
export function resolvePreset(name: string, steps: readonly GuideStep[]): LayoutPreset {
  if (isPresetName(name)) return PRESETS[name];
  const views = linkedViews(steps).slice(0, MAX_LINKED);
  if (views.length === 0) return PRESETS.default;
  return { upper: views, lower: ['counters'], tool: 'console' };
}
