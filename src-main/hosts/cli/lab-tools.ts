/** The lab tools of this installation, or of another folder of labs. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { LabTools } from '../../services/lab-tools/lab-tools.ts';
import { resolveAppPaths, type AppPaths } from '../app-paths.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { createLabFiles } from '../labs/lab-files.ts';
import { UsageError, type CommandInput, type CommandIo, type CommandOption } from './command.ts';

export const LABS_OPTION: CommandOption = {
  type: 'string',
  value: 'FOLDER',
  help: 'take the labs of this folder, with their own checks',
};

/** Where this program is: the entry module tells it, and all modules agree on it. */
export function appPaths(): AppPaths {
  return resolveAppPaths(import.meta.url);
}

/** The script engine of this installation. */
export function loadSandbox(): Uint8Array {
  return Uint8Array.from(readFileSync(appPaths().sandboxModule));
}

export function createLabTools(input: CommandInput, io: CommandIo): LabTools {
  const paths = appPaths();
  const given = input.value('labs');
  const folder = given === undefined ? paths.labs : path.resolve(io.cwd, given);
  if (given !== undefined && !existsSync(folder)) {
    throw new UsageError(`There is no folder ${given}`);
  }
  return new LabTools({
    labs: createLabFiles(folder),
    loadSandbox,
    crypto: nodeCrypto,
    ...(given === undefined
      ? {}
      : {
          // Labs from elsewhere bring code of their own; whoever names the folder trusts it.
          loadChecksModule: (lab: string, file: string): Promise<unknown> =>
            import(pathToFileURL(path.join(folder, lab, file)).href) as Promise<unknown>,
        }),
  });
}
