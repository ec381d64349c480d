/**
 * What the present tenants of an adapter cost, by virtual functions and by ADIs side by side. The long comparison over any
 * number of tenants is `siov-lab bench --sharing`.
 */
import type { TableRow, ViewModel } from '../../protocol/views.ts';
import { DOORBELL_PAGE_BYTES } from '../../spec/nic/registers.ts';
import { CONFIG_SPACE_BYTES } from '../../spec/pcie/capability-id.ts';
import type { NicDevice, PcieFunction } from '../../sim/index.ts';
import { nicDevices } from './device-facts.ts';
import { formatBytes } from './sections.ts';
import type { ViewContext } from './view-context.ts';

interface Share {
  readonly tenants: number;
  readonly requesterIds: number;
  readonly configBytes: number;
  readonly barBytes: number;
  readonly pasids: number;
  readonly vectors: number;
}

function byAdis(device: NicDevice): Share {
  const pairs = device.inspect.inUse().filter((p) => !p.isVirtual);
  return {
    tenants: pairs.length,
    requesterIds: 0,
    configBytes: 0,
    barBytes: pairs.length * DOORBELL_PAGE_BYTES,
    pasids: new Set(pairs.filter((p) => p.pasid >= 0).map((p) => p.pasid)).size,
    vectors: pairs.filter((p) => p.vector >= 0).length,
  };
}

function byFunctions(device: NicDevice, functions: ReadonlyMap<number, PcieFunction>): Share {
  const vfs = device.inspect.virtualFunctions();
  const bytes = vfs.map(({ rid }) => functions.get(rid)?.barBytes[0] ?? 0);
  return {
    tenants: vfs.length,
    requesterIds: vfs.length,
    configBytes: vfs.length * CONFIG_SPACE_BYTES,
    barBytes: bytes.reduce((sum, one) => sum + one, 0),
    pasids: 0,
    vectors: vfs.length * device.settings.queuePairsPerVf,
  };
}

const LINES: readonly (readonly [keyof Share, string, (value: number) => string])[] = [
  ['tenants', 'Tenants', String],
  ['requesterIds', 'Requester IDs, context entries', String],
  ['configBytes', 'Configuration space in hardware', formatBytes],
  ['barBytes', 'Device registers mapped', formatBytes],
  ['pasids', 'PASIDs', String],
  ['vectors', 'Interrupt entries', String],
];

export function sharingView(context: ViewContext): ViewModel {
  const functions = context.machine.fabric.functions();
  const devices = nicDevices(functions);
  if (devices.length === 0) {
    return {
      view: 'sharing-cost',
      title: 'Cost of sharing',
      sections: [],
      empty: 'This machine has no adapter that can be shared both ways.',
    };
  }
  return {
    view: 'sharing-cost',
    title: 'Cost of sharing',
    subtitle: 'What the tenants of this instant take',
    sections: devices.map(([, device]) => {
      const sriov = byFunctions(device, functions);
      const siov = byAdis(device);
      return {
        kind: 'table' as const,
        id: `sharing-${device.name}`,
        title: device.name,
        columns: [
          { id: 'what', title: 'Resource', grow: 2 },
          { id: 'sriov', title: 'Virtual functions', align: 'right' as const },
          { id: 'siov', title: 'ADIs', align: 'right' as const },
        ],
        rows: LINES.map(([key, title, format]): TableRow => ({
          id: `${device.name}-${key}`,
          cells: [title, format(sriov[key]), format(siov[key])],
        })),
        empty: '',
      };
    }),
    notModelled: 'Silicon area and the memory of drivers.',
  };
}
