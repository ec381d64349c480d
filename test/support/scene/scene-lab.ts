/** The scene as a lab package: one script that plays it step by step. */
import type { LabFolder } from '../tiny-lab.ts';
import { SCENE_BDF, SCENE_DEVICES, SCENE_MACHINE } from './scene-machine.ts';
import { BLOCKED_GUEST } from '../blocked-guest.ts';
import { REUSED_PAGE } from '../reused-page.ts';
import { SCENE_STEPS } from './scene.ts';

export const SCENE_LAB = 'scene';
export const SCENE_FILE = 'scene.ts';

export const SCENE_SCRIPT = [
  "import { play } from 'lab/scene';",
  '',
  ...SCENE_STEPS.map((step) => `play('${step}');`),
  '',
].join('\n');

const TEXT = `---
format: 1
id: ${SCENE_LAB}
title: Everything at once
summary: A machine with one function of every class at work.
level: advanced
minutes: 5
needs: []
concepts: []
profile: [iommufd, kvmforum2019]
machine: machine.json
files:
  - { path: ${SCENE_FILE}, role: edit, actor: host-driver }
layout: default
---

## Look around {#look}

Press **Run**, then look at the [work queues](view:work-queues).
`;

const TRANSLATION = `---
title: 全景
summary: 每一类设备各一个，都在工作。
---

## 看一看 {#look}

按 **运行**，然后查看[工作队列](view:work-queues)。
`;

export const SCENE_FOLDER: LabFolder = {
  'lab.md': TEXT,
  'machine.json': JSON.stringify(SCENE_MACHINE),
  [SCENE_FILE]: SCENE_SCRIPT,
  'i18n/zh-CN.md': TRANSLATION,
};

/** A machine without a defence, and a script that gets somebody else's page written to. */
export const BREACH_FOLDER: LabFolder = {
  'lab.md': TEXT,
  'machine.json': JSON.stringify({
    ...SCENE_MACHINE,
    devices: SCENE_DEVICES.filter(({ kind }) => kind === 'dsa'),
    defences: { 'sva-invalidate': false },
  }),
  [SCENE_FILE]: REUSED_PAGE,
  'i18n/zh-CN.md': TRANSLATION,
};

/** A VM with a VT-d unit of its own, and a guest whose device works longer than its address space is there. */
export const VIOMMU_FOLDER: LabFolder = {
  'lab.md': TEXT,
  'machine.json': JSON.stringify({
    ...SCENE_MACHINE,
    devices: [{ kind: 'dsa', name: 'dsa0', bdf: SCENE_BDF.dsa, options: { wqs: 2 } }],
    vms: [{ name: 'vm0', memoryBytes: 40 * 2 ** 20, cpus: 1, viommu: true }],
  }),
  [SCENE_FILE]: BLOCKED_GUEST,
  'i18n/zh-CN.md': TRANSLATION,
};
