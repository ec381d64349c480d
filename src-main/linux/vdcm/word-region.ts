/** Registers of a VDEV that take aligned accesses of 4 and 8 bytes, as those of the devices behind it do. */
import { EFAULT, EINVAL } from '../errno.ts';
import type { RegisterTables } from './register-tables.ts';
import type { RegisterRegion } from './virtual-device.ts';

const WORD_BYTES = 4;

export function wordRegion(
  name: string,
  spec: RegisterRegion['spec'],
  tables: RegisterTables,
): RegisterRegion {
  const isTaken = (offset: number, bytes: number): boolean =>
    (bytes === 4 || bytes === 8) && offset % bytes === 0;
  return {
    kind: 'registers',
    name,
    spec,
    largestRead: 8,
    read: (offset, bytes) => (isTaken(offset, bytes) ? tables.read(offset, bytes) : -EFAULT),
    // Word by word: a wide store must not carry a register that the guest may not write along with one that it may.
    write: (offset, bytes, value) => {
      if (!isTaken(offset, bytes)) {
        return -EINVAL;
      }
      for (let done = 0; done < bytes; done += WORD_BYTES) {
        tables.write(offset + done, WORD_BYTES, (value >> BigInt(done * 8)) & 0xffff_ffffn);
      }
      return 0;
    },
  };
}
