/** `lab/shell`: what an administrator types: reading and writing sysfs, listing nodes, loading modules. */
import { asString } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { defineSdkModule, type SdkModule } from './sdk-module.ts';

const SYS = '/sys/';
const DEV = '/dev';

const types = `/**
 * \`echo text > path\` for a file of sysfs: \`echo(uuid, '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/.../create')\`.
 * @returns bytes written, or the error number that the driver gave, for example -ENODEV
 */
export declare function echo(text: string | number, path: string): number;
/** \`cat path\` for a file of sysfs. @returns its text, or -ENOENT, -EACCES */
export declare function cat(path: string): string | number;
/** \`ls path\`: names in a directory of sysfs or of /dev, sorted. Empty when there is no such directory. */
export declare function ls(path: string): readonly string[];
/** Where a link of sysfs leads, or null: \`readlink('/sys/bus/mdev/devices/<uuid>/mdev_type')\`. */
export declare function readlink(path: string): string | null;
/** Loads a kernel module. @returns 0 or -ENOENT */
export declare function modprobe(name: string): number;
/** Unloads a kernel module; what it made goes with it. @returns 0 or -ENOENT */
export declare function rmmod(name: string): number;
`;

/** Sysfs knows its paths below /sys. */
function below(path: string): string {
  return path.startsWith(SYS) ? path.slice(SYS.length) : path;
}

export function createShellModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'lab/shell',
    types,
    functions: {
      echo: effect(env, ({ kernel }, text, path) =>
        kernel.calls.sysfsWrite(
          below(asString(path, 'path')),
          typeof text === 'number' ? String(text) : asString(text, 'text'),
        ),
      ),
      cat: query(env, ({ kernel }, path) => kernel.calls.sysfsRead(below(asString(path, 'path')))),
      ls: query(env, ({ kernel }, path) => {
        const place = asString(path, 'path');
        if (place !== DEV && !place.startsWith(`${DEV}/`)) {
          const names = kernel.sysfs.list(below(place));
          return typeof names === 'number' ? [] : names;
        }
        const prefix = place.endsWith('/') ? place : `${place}/`;
        return kernel.nodes
          .list()
          .filter((node) => node.startsWith(prefix))
          .map((node) => node.slice(prefix.length));
      }),
      readlink: query(env, ({ kernel }, path) => {
        const target = kernel.sysfs.resolve(below(asString(path, 'path')));
        return target === undefined ? null : `${SYS}${target}`;
      }),
      modprobe: effect(env, ({ kernel }, name) => kernel.modprobe(asString(name, 'name'))),
      rmmod: effect(env, ({ kernel }, name) => kernel.rmmod(asString(name, 'name'))),
    },
  });
}
