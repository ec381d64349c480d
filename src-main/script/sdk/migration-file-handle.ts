/** The stream of a migrating device as scripts hold it. */
import type { MigrationFile } from '../../linux/vfio/migration.ts';
import { defineHostType } from './sdk-module.ts';

export const migrationFileType = defineHostType<MigrationFile>({
  name: 'migration file',
  properties: { is_pre_copy: { get: (file) => file.isPreCopy } },
});
