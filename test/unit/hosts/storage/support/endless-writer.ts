import { createFileStorage } from '../../../../../src-main/hosts/storage/file-storage.ts';

const [folder = '', key = ''] = process.argv.slice(2);
const storage = createFileStorage({ folder });
const start = Number(storage.read(key)?.split(':')[0] ?? 0);

for (let n = start + 1; ; n += 1) {
  storage.save(key, `${n}:${String(n % 10).repeat(20_000)}`, 'autosave');
  process.stdout.write(`${n}\n`);
}
