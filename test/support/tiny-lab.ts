/** A whole lab in memory, as small as a lab can be, and libraries of such labs for tests of the engine. */
import type { LabLibrary } from '../../src-main/labs-engine/lab-library.ts';
import { loadCourse, type Course } from '../../src-main/labs-engine/package/course.ts';
import type { LabPackage } from '../../src-main/labs-engine/package/lab-package.ts';
import { check, defineChecks, events, type Check } from '../../src-main/labs-engine/sdk/index.ts';

export type LabFolder = Readonly<Record<string, string>>;

export const VOCABULARY = {
  views: ['pci-config', 'counters'],
  viewParams: ['rid', 'pasid', 'event'],
};

export const TINY_TEXT = `---
format: 1
id: tiny
title: Tiny
summary: Report the answer.
level: beginner
minutes: 5
needs: []
concepts: [pasid]
profile: iommufd
machine: machine.json
files:
  - { path: driver.ts, role: edit, actor: host-driver }
focus: driver.ts#answer
layout: default
variants: { seed: [1, 2] }
starter:
  check: answer
  message: "report: answer is 0, expected 42"
---

## Answer {#answer}

Report the [PASID](term:pasid) of [00:03.0](view:pci-config?rid=00:03.0).

:::check id=answer
:::

:::hint level=1
Think.
:::
`;

export const TINY_TRANSLATION = `---
title: 微小
summary: 报告答案。
checks:
  answer:
    title: 答案
    pass: 答案是 {answer}
    fail:
      wrong: "{object}：{field} 是 {actual}，应为 {expected}"
---

## 回答 {#answer}

报告 [PASID](term:pasid)。

:::check id=answer
:::

:::hint level=1
想一想。
:::
`;

export const TINY_DRIVER = `import { report } from 'lab/oracle';

// #region solution answer
const answer = 42;
// #region starter
const answer = 0;
// #endregion
// #endregion
report('answer', answer);
`;

const MACHINE = {
  name: 'tiny',
  memory: { bytes: '64 MiB' },
  cpus: 1,
  iommu: { profile: 'lab' },
  devices: [
    {
      kind: 'plain',
      name: 'plain0',
      bdf: '00:03.0',
      options: { vendorId: '0x8086', deviceId: '0x0b25', classCode: '0x088000' },
    },
  ],
};

export const TINY_MUTANT = `Reports the number before it.
check: answer
message: report: answer is 41, expected 42

--- a/driver.ts
+++ b/driver.ts
@@ -3,1 +3,1 @@
-const answer = 42;
+const answer = 41;
`;

export const TINY_LAB: LabFolder = {
  'lab.md': TINY_TEXT,
  'machine.json': JSON.stringify(MACHINE),
  'driver.ts': TINY_DRIVER,
  'mutants/off-by-one.patch': TINY_MUTANT,
  'i18n/zh-CN.md': TINY_TRANSLATION,
};

const GLOSSARY = `terms:
  - { id: pasid, term: PASID, short: A number, source: PCIe }
`;
const GLOSSARY_ZH = `terms:
  - { id: pasid, short: 一个编号 }
`;

export function memoryLibrary(labs: Readonly<Record<string, LabFolder>>): LabLibrary {
  const texts: LabFolder = { 'glossary.yaml': GLOSSARY, 'glossary.zh-CN.yaml': GLOSSARY_ZH };
  return {
    labs: () => Object.keys(labs).toSorted(),
    files: (lab) => Object.keys(labs[lab] ?? {}).toSorted(),
    readText: (lab, path) => {
      const text = labs[lab]?.[path];
      if (text === undefined) throw new Error(`No file ${path} in ${lab}`);
      return text;
    },
    readCourseText: (path) => texts[path] ?? null,
  };
}

export function courseOf(labs: Readonly<Record<string, LabFolder>>): Course {
  return loadCourse(memoryLibrary(labs), VOCABULARY);
}

/** The tiny lab with some files replaced; an empty text takes a file away. */
export function tinyFolder(changes: LabFolder = {}): LabFolder {
  const entries = Object.entries({ ...TINY_LAB, ...changes });
  return Object.fromEntries(entries.filter(([, text]) => text !== ''));
}

/** `code path: message` of every problem of a lab. */
export function problemsOf(
  folder: LabFolder,
  others: Readonly<Record<string, LabFolder>> = {},
): readonly string[] {
  const course = courseOf({ ...others, '010-tiny': folder });
  const loaded = course.labs.find((lab) => lab.folder === '010-tiny');
  return (loaded?.issues ?? []).map(({ code, path, message }) => `${code} ${path}: ${message}`);
}

/** The lab of a folder without problems. */
export function tinyLab(changes: LabFolder = {}): LabPackage {
  const [loaded] = courseOf({ '010-tiny': tinyFolder(changes) }).labs;
  if (loaded?.lab === undefined) throw new Error(JSON.stringify(loaded?.issues));
  return loaded.lab;
}

export const TINY_CHECKS: readonly Check[] = defineChecks([
  check({
    id: 'answer',
    step: 'answer',
    title: 'The answer is right',
    hint: 'answer-hint-1',
    pass: 'The answer is {answer}',
    fail: { wrong: '{object}: {field} is {actual}, expected {expected}' },
    test: ({ trace }, { pass, fail }) => {
      const record = trace.last(events.script.VALUE_REPORTED, { key: 'answer' });
      if (record?.values.value === '42') return pass({ answer: 42 }, { at: record });
      const actual = record?.values.value ?? 'not reported';
      return fail('wrong', { object: 'report', field: 'answer', expected: 42, actual, at: record });
    },
  }),
]);
