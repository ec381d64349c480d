import { AppError } from '../../protocol/app-error.ts';
import { STORAGE_ERROR } from './storage-error.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/;
/** Device names that Windows reserves, with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** The names of a key. Anything that could leave the storage folder is refused. */
export function keyNames(key: string): readonly string[] {
  const names = key.split('/');
  const isPlain = names.every(
    (name) => NAME.test(name) && !name.endsWith('.') && !RESERVED.test(name),
  );
  if (isPlain) return names;
  throw new AppError(
    STORAGE_ERROR.badKey,
    `Expected a path of plain names, such as workspace/lab/driver.ts, found ${JSON.stringify(key)}`,
  );
}
