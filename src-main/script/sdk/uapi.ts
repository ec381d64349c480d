/** `uapi/vfio` and `uapi/iommufd`: numbers and structures that programs share with the kernel. All derives from `spec`. */
import type { Structure } from '../../bits/structure.ts';
import { IOMMUFD_STRUCTURES, VFIO_STRUCTURES } from '../../spec/vfio/ioctl-arguments.ts';
import {
  IOMMUFD_FLAGS,
  IOMMUFD_IOCTLS,
  VFIO_CONTAINER_IOCTLS,
  VFIO_DEVICE_IOCTLS,
  VFIO_EXTENSIONS,
  VFIO_FLAGS,
  VFIO_GROUP_IOCTLS,
} from '../../spec/vfio/ioctl-numbers.ts';
import { asBytes, asRecord, asString } from './arguments.ts';
import { constantTypes, structureBytes, structureMembers, structureType } from './c-structures.ts';
import { pure } from './environment.ts';
import { ArgumentError, defineSdkModule, type SdkModule } from './sdk-module.ts';

type Constants = Readonly<Record<string, number>>;

interface Interface {
  readonly name: string;
  readonly header: string;
  readonly requests: Constants;
  readonly numbers: Constants;
  readonly structures: readonly Structure[];
}

const VFIO: Interface = {
  name: 'uapi/vfio',
  header: 'include/uapi/linux/vfio.h',
  requests: { ...VFIO_CONTAINER_IOCTLS, ...VFIO_GROUP_IOCTLS, ...VFIO_DEVICE_IOCTLS },
  numbers: { ...VFIO_EXTENSIONS, ...VFIO_FLAGS },
  structures: VFIO_STRUCTURES,
};

const IOMMUFD: Interface = {
  name: 'uapi/iommufd',
  header: 'include/uapi/linux/iommufd.h',
  requests: IOMMUFD_IOCTLS,
  numbers: IOMMUFD_FLAGS,
  structures: IOMMUFD_STRUCTURES,
};

const hex = (value: number): string => `0x${value.toString(16)}`;

function typesOf({ header, requests, numbers, structures }: Interface): string {
  return [
    ...structures.map((structure) => `${structureType(structure)}\n`),
    constantTypes(requests, (_name, value) => `Request ${hex(value)} for ioctl(). ${header}`),
    constantTypes(numbers, (_name, value) => `${hex(value)}, as in ${header}`),
    `/**
 * A structure as bytes, for structures behind a pointer in another one.
 * @param name \`${structures[0]?.name ?? ''}\` and so on
 */
export declare function pack(name: string, members: object): Uint8Array;
/** Members of a structure in bytes. */
export declare function unpack(name: string, bytes: Uint8Array): { [member: string]: number | bigint };
/** Bytes of a structure. */
export declare function sizeof(name: string): number;
`,
  ].join('\n');
}

function createUapiModule(face: Interface): SdkModule {
  const find = (value: Parameters<typeof asString>[0]): Structure => {
    const name = asString(value, 'name');
    const found = face.structures.find((structure) => structure.name === name);
    if (found !== undefined) return found;
    const names = face.structures.map((structure) => structure.name).join(', ');
    throw new ArgumentError('name', `one of ${names}`, value);
  };
  return defineSdkModule({
    name: face.name,
    types: typesOf(face),
    constants: { ...face.requests, ...face.numbers },
    functions: {
      pack: pure((name, members) =>
        structureBytes(find(name), asRecord(members, 'members'), 'members'),
      ),
      unpack: pure((name, bytes) => structureMembers(find(name), asBytes(bytes, 'bytes'))),
      sizeof: pure((name) => find(name).bytes),
    },
  });
}

export function createUapiVfioModule(): SdkModule {
  return createUapiModule(VFIO);
}

export function createUapiIommufdModule(): SdkModule {
  return createUapiModule(IOMMUFD);
}
