/** ARCHITECTURE.md promises a device class in under 200 lines: registers, model and test. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const FILES = [
  'test/support/gpu/gpu-registers.ts',
  'test/support/gpu/gpu-device.ts',
  'test/unit/sim/devices/gpu/context-slices.spec.ts',
];

it('keeps the worked example of a new device small, and names its files', async () => {
  const guide = await readFile(path.join(root, 'ARCHITECTURE.md'), 'utf8');
  let lines = 0;
  for (const file of FILES) {
    expect(guide).toContain(path.basename(file));
    lines += (await readFile(path.join(root, file), 'utf8')).trimEnd().split('\n').length;
  }
  expect(lines).toBeLessThan(200);
});
