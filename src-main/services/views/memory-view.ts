/** Physical memory around an address. */
import { bytesToHex } from '../../bits/hex.ts';
import type { ViewModel } from '../../protocol/views.ts';
import { formatAddress, formatBytes } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const DEFAULT_BYTES = 256;
const MAX_BYTES = 4096;

export function memoryView({ machine, params }: ViewContext): ViewModel {
  const address =
    params.address === undefined ? 0x10_0000 : Number(BigInt(params.address) & 0xf_ffff_ffff_fff0n);
  const length = Math.min(params.length ?? DEFAULT_BYTES, MAX_BYTES);
  const choices: ViewModel['choices'] = [
    {
      param: 'address',
      title: 'Address',
      value: `0x${address.toString(16)}`,
      options: [],
      isFreeText: true,
    },
  ];
  if (!machine.memory.isMemory(address, 1)) {
    return {
      view: 'memory',
      title: 'Memory',
      choices,
      sections: [],
      empty: `There is no memory at ${formatAddress(address)}. RAM: ${machine.memory.regions
        .map((r) => `${formatAddress(r.base)} (${formatBytes(r.bytes)})`)
        .join(', ')}.`,
    };
  }
  return {
    view: 'memory',
    title: 'Memory',
    subtitle: formatAddress(address),
    choices,
    sections: [
      {
        kind: 'bytes',
        id: 'bytes',
        address: formatAddress(address),
        hex: bytesToHex(machine.memory.readBytes(address, length)),
      },
    ],
  };
}
