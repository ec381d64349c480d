/** What an administrator and a program see of the driver: error codes, counters, ports, and what is left in sysfs. */
import {
  check,
  defineChecks,
  events,
  type AnyRecord,
  type Report,
  type RunFacts,
  type ViewLink,
} from '../../src-main/labs-engine/sdk/index.ts';

const PAGE = 4096;
const ERRORS: Readonly<Record<number, string>> = {
  '-1': 'EPERM',
  '-2': 'ENOENT',
  '-11': 'EAGAIN',
  '-16': 'EBUSY',
  '-17': 'EEXIST',
  '-19': 'ENODEV',
  '-22': 'EINVAL',
  '-28': 'ENOSPC',
  '-87': 'EUSERS',
};
const ENOSPC = -28;
const EUSERS = -87;
const EEXIST = -17;

const SYSFS: ViewLink = { view: 'sysfs', label: 'Show sysfs' };

const codeText = (code: number): string => {
  const name = ERRORS[code];
  return name === undefined ? String(code) : `-${name}`;
};

/** Ports of the card: a page of registers each. */
function portsOf({ machine }: RunFacts): number {
  const bytes = machine.devices.find(({ name }) => name === 'ports')?.options?.['barBytes'];
  return Number(bytes) / PAGE;
}

interface Code {
  readonly report: Report | undefined;
  readonly code: number;
  readonly text: string;
}

/** An error code that was reported, 0 for success. */
function codeOf(facts: RunFacts, key: string): Code {
  const report = facts.report(key);
  const code = Number(report?.value ?? Number.NaN);
  return { report, code, text: report === undefined ? 'not reached' : codeText(code) };
}

/** What available_instances must say when so many ports are free. */
const availableWith = (free: number): Readonly<Record<'single' | 'dual', number>> => ({
  single: free,
  dual: Math.floor(free / 2),
});

/** The first counter that does not fit the ports that are free. */
function wrongCount(
  facts: RunFacts,
  moments: readonly (readonly [when: string, free: number])[],
):
  | {
      object: string;
      field: string;
      expected: number;
      actual: string;
      at: AnyRecord | undefined;
      link: ViewLink;
    }
  | undefined {
  for (const [when, free] of moments) {
    for (const [type, expected] of Object.entries(availableWith(free))) {
      const report = facts.report(`${type} ${when}`);
      if (report?.value !== String(expected)) {
        return {
          object: `Type pci-${type} ${when}`,
          field: 'available_instances',
          expected,
          actual: report?.value ?? 'not reached',
          at: report?.record,
          link: SYSFS,
        };
      }
    }
  }
  return undefined;
}

export const checks = defineChecks([
  check({
    id: 'driver-registered',
    step: 'register',
    title: 'The driver is registered',
    hint: 'register-hint-1',
    pass: 'mdev_register_driver returned 0',
    fail: {
      refused:
        '{object}: {field} is {actual}, expected {expected}. A driver must say by device_api what programs will speak to its devices',
      api: '{object}: {field} is {actual}, expected {expected}. Its devices are used like PCI devices',
    },
    test: (facts, { pass, fail }) => {
      const call = facts.trace.first(events.linux.CALL_RETURNED, { call: 'mdev_register_driver' });
      const object = 'Driver port-pool';
      if (call === undefined || call.values.code !== 0) {
        const actual = call === undefined ? 'not called' : codeText(call.values.code);
        const field = 'result of mdev_register_driver';
        return fail('refused', { object, field, expected: 0, actual, at: call, link: SYSFS });
      }
      const api = facts.report('device_api');
      if (api !== undefined && api.value !== 'vfio-pci' && api.value !== '-2') {
        return fail('api', {
          object,
          field: 'device_api',
          expected: 'vfio-pci',
          actual: api.value,
          at: api.record,
          link: SYSFS,
        });
      }
      return pass({}, { at: call });
    },
  }),
  check({
    id: 'two-types',
    step: 'register',
    after: ['driver-registered'],
    title: 'The card offers two types',
    hint: 'register-hint-2',
    pass: 'Types: {types}',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. Each type is an entry of the list that mdev_register_parent gets',
    },
    test: (facts, { pass, fail }) => {
      const report = facts.report('types');
      const expected = 'pci-dual pci-single';
      if (report?.value === expected) return pass({ types: expected }, { at: report.record });
      return fail('differs', {
        object: 'Function 03:00.0',
        field: 'mdev_supported_types',
        expected,
        actual: report?.value === undefined || report.value === '' ? 'empty' : report.value,
        at: report?.record,
        link: SYSFS,
      });
    },
  }),
  check({
    id: 'refused-when-full',
    step: 'create',
    after: ['two-types'],
    title: 'A device without ports is refused',
    hint: 'create-hint-1',
    pass: 'Both types end with -ENOSPC when too few ports are left',
    fail: {
      made: '{object}: {field} is {actual}, expected {expected}. Too few ports were free, and the device came to life all the same',
      other:
        '{object}: {field} is {actual}, expected {expected}. The error that init returns reaches the administrator',
      first: '{object}: {field} is {actual}, expected {expected}. There are ports enough for it',
    },
    test: (facts, { pass, fail }) => {
      const good = ['create first', 'create dual'].map((key) => ({ key, ...codeOf(facts, key) }));
      const refused = good.find(({ code }) => code !== 0);
      if (refused !== undefined) {
        return fail('first', {
          object:
            refused.key === 'create dual' ? 'The first dual device' : 'The first single device',
          field: 'result of create',
          expected: 0,
          actual: refused.text,
          at: refused.report?.record,
          link: SYSFS,
        });
      }
      for (const type of ['dual', 'single']) {
        const { report, code, text } = codeOf(facts, `${type} too many`);
        if (code === ENOSPC) continue;
        return fail(code === 0 ? 'made' : 'other', {
          object: `One ${type} device too many`,
          field: 'result of create',
          expected: codeText(ENOSPC),
          actual: text,
          at: report?.record,
          link: SYSFS,
        });
      }
      return pass();
    },
  }),
  check({
    id: 'no-uuid-twice',
    step: 'create',
    kind: 'informative',
    after: ['two-types'],
    title: 'A UUID cannot be used twice',
    pass: 'The core answers -EEXIST, and the driver is not even asked',
    fail: { made: '{object}: {field} is {actual}, expected {expected}' },
    test: (facts, { pass, fail }) => {
      const { report, code, text } = codeOf(facts, 'create twice');
      if (code === EEXIST) return pass({}, { at: report?.record });
      const [object, field, expected] = [
        'The second device with this UUID',
        'result of create',
        codeText(EEXIST),
      ];
      return fail('made', { object, field, expected, actual: text, at: report?.record });
    },
  }),
  check({
    id: 'types-coupled',
    step: 'count',
    after: ['refused-when-full'],
    title: 'Both types count the same ports',
    hint: 'count-hint-1',
    pass: '{ports} ports: the counters of both types always fit what is free',
    fail: {
      differs:
        '{object}: {field} is {actual}, expected {expected}. Both types live on the ports that are free now',
    },
    test: (facts, { pass, fail }) => {
      const ports = portsOf(facts);
      const wrong = wrongCount(facts, [
        ['at first', ports],
        ['after first', ports - 1],
        ['after duals', 1],
        ['when full', 0],
      ]);
      return wrong === undefined ? pass({ ports }) : fail('differs', wrong);
    },
  }),
  check({
    id: 'kept-while-open',
    step: 'release',
    after: ['refused-when-full'],
    title: 'Ports stay with a program that still has the device open',
    hint: 'release-hint-1',
    pass: 'The program kept its ports {ports} until it closed the device',
    fail: {
      stolen:
        '{object}: {field} is {actual}, expected {expected}. The device was removed while a program has it open, and its ports were given away under that program',
      gone: '{object}: {field} is {actual}, expected {expected}. remove is not the end: a program still has the device open',
    },
    test: (facts, { pass, fail }) => {
      const before = facts.report('ports before');
      const later = facts.report('ports while open');
      const second = codeOf(facts, 'create while open');
      if (second.code === 0) {
        return fail('stolen', {
          object: 'A single device made before the program closed its own',
          field: 'result of create',
          expected: codeText(ENOSPC),
          actual: second.text,
          at: second.report?.record,
          link: SYSFS,
        });
      }
      if (before === undefined || later === undefined || before.value !== later.value) {
        return fail('gone', {
          object: 'The device that the program has open',
          field: 'ports',
          expected: before?.value ?? 'two ports',
          actual: later?.value === undefined || later.value === '' ? 'none' : later.value,
          at: later?.record ?? before?.record,
          link: SYSFS,
        });
      }
      return pass({ ports: before.value }, { at: later.record });
    },
  }),
  check({
    id: 'given-back',
    step: 'release',
    after: ['kept-while-open'],
    title: 'Ports come back when the last user is gone',
    hint: 'release-hint-2',
    pass: 'Two ports are free again',
    fail: {
      lost: '{object}: {field} is {actual}, expected {expected}. The program closed the device: nobody can use its ports any more, give them back',
    },
    test: (facts, { pass, fail }) => {
      const wrong = wrongCount(facts, [['after close', 2]]);
      return wrong === undefined ? pass() : fail('lost', wrong);
    },
  }),
  check({
    id: 'core-counts',
    step: 'core',
    after: ['driver-registered'],
    title: 'The core counts slots',
    hint: 'core-hint-1',
    pass: 'Two slots, the third ends with -EUSERS, and one that was removed can be made again',
    fail: {
      made: '{object}: {field} is {actual}, expected {expected}. The core counts down from max_instances, for all types of a parent together',
      refused: '{object}: {field} is {actual}, expected {expected}. There are two',
    },
    test: (facts, { pass, fail }) => {
      const wanted: readonly (readonly [key: string, what: string, code: number])[] = [
        ['slot 1', 'The first slot', 0],
        ['slot 2', 'The second slot', 0],
        ['slot 3', 'The third slot', EUSERS],
        ['slot again', 'A slot made after one was removed', 0],
      ];
      for (const [key, object, expected] of wanted) {
        const { report, code, text } = codeOf(facts, key);
        if (code === expected) continue;
        return fail(expected === EUSERS ? 'made' : 'refused', {
          object,
          field: 'result of create',
          expected: codeText(expected),
          actual: text,
          at: report?.record,
          link: SYSFS,
        });
      }
      return pass();
    },
  }),
  check({
    id: 'clean-tree',
    step: 'unload',
    after: ['driver-registered'],
    title: 'Nothing is left in sysfs',
    hint: 'unload-hint-1',
    pass: 'No types, no devices, no drivers',
    fail: {
      left: '{object}: {field} is {actual}, expected {expected}. Parents first, they take their devices along; then the drivers',
    },
    test: (facts, { pass, fail }) => {
      const places = [
        'sysfs/class/mdev_bus/',
        'sysfs/bus/mdev/devices/',
        'sysfs/bus/mdev/drivers/',
      ];
      for (const place of places) {
        const left = facts.software.under(place)[0];
        if (left === undefined) continue;
        return fail('left', {
          object: `/${place.replace('sysfs/', 'sys/')}${left.name}`,
          field: 'state',
          expected: 'gone',
          actual: 'still there',
          at: facts.trace.last(events.linux.SYSFS_CHANGED, {
            path: (path) => path.startsWith(`${place.replace('sysfs/', '')}${left.name}`),
          }),
          link: SYSFS,
        });
      }
      return pass();
    },
  }),
]);
