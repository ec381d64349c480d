/** Objects that kernels and VMMs published, found by what they are about: VDEVs, their users, VMs, processes. */
import type { Machine } from '../../sim/index.ts';
import { record, text, type PlainRecord } from './plain-data.ts';

export interface Published {
  /** Key below its prefix. */
  readonly name: string;
  readonly state: PlainRecord;
}

/** Records whose key is the prefix and one name more. */
export function published(machine: Machine, prefix: string): readonly Published[] {
  return machine.software.entries(prefix).flatMap(([key, value]) => {
    const name = key.slice(prefix.length);
    const state = record(value);
    return state === undefined || name === '' || name.includes('/') ? [] : [{ name, state }];
  });
}

export function listOf(state: PlainRecord, key: string): readonly PlainRecord[] {
  const value = state[key];
  return Array.isArray(value)
    ? value.flatMap((item) => {
        const found = record(item as PlainRecord);
        return found === undefined ? [] : [found];
      })
    : [];
}

export function numberOf(state: PlainRecord, key: string): number {
  return Number(state[key] ?? 0);
}

export interface OpenFile {
  readonly process: string;
  readonly fd: number;
  readonly file: string;
  readonly state: PlainRecord;
}

export function openFiles(machine: Machine): readonly OpenFile[] {
  return machine.software.entries('fd/').flatMap(([key, value]) => {
    const [process = '', fd = ''] = key.slice('fd/'.length).split('/');
    const entry = record(value);
    if (entry === undefined) return [];
    return [
      {
        process,
        fd: Number(fd),
        file: text(entry, 'file') ?? '',
        state: record(entry['state']) ?? {},
      },
    ];
  });
}

export interface VdevFact {
  readonly uuid: string;
  /** The shortest part of the UUID that tells it from the others. */
  readonly label: string;
  readonly mdev: PlainRecord;
  /** Composition; absent for a parent driver that publishes none. */
  readonly vdev: PlainRecord | undefined;
  /** Process that has it open. */
  readonly process: string | undefined;
  readonly vm: string | undefined;
  /** Place and exits as the VMM knows them. */
  readonly plugged: PlainRecord | undefined;
}

const HEAD = 8;
const TAIL = -6;

function labelOf(uuid: string, all: readonly string[]): string {
  const head = uuid.slice(0, HEAD);
  return all.filter((other) => other.startsWith(head)).length < 2 ? head : `…${uuid.slice(TAIL)}`;
}

export function vdevs(machine: Machine): readonly VdevFact[] {
  const mdevs = published(machine, 'mdev/');
  const uuids = mdevs.map(({ name }) => name);
  const files = openFiles(machine);
  const vms = published(machine, 'vm/').map(({ name }) => name);
  return mdevs.map(({ name: uuid, state: mdev }) => {
    const plugged = vms
      .map((vm) => ({ vm, state: record(machine.software.get(`vm/${vm}/device/${uuid}`)) }))
      .find(({ state }) => state !== undefined);
    return {
      uuid,
      label: labelOf(uuid, uuids),
      mdev,
      vdev: record(machine.software.get(`vdev/${uuid}`)),
      process: files.find(({ state }) => state['device'] === uuid)?.process,
      vm: plugged?.vm,
      plugged: plugged?.state,
    };
  });
}

/** `wq0.1` of `dsa0` → `dsa0/wq1`. */
export function queueOfVdev({ vdev }: VdevFact): string | undefined {
  const device = vdev === undefined ? undefined : text(vdev, 'device');
  const wq = vdev === undefined ? undefined : text(vdev, 'wq');
  return device === undefined || wq === undefined
    ? undefined
    : `${device}/wq${wq.split('.').at(-1) ?? ''}`;
}
