/** Registers of the remapping unit, each with its fields. */
import { toHex } from '../../bits/hex.ts';
import type { TableRow, ViewModel } from '../../protocol/views.ts';
import { registerSection } from './sections.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

export function registersView({ machine, params }: ViewContext): ViewModel {
  const { registers } = machine.unit;
  const wanted = params.filter?.toLowerCase() ?? '';
  const rows = registers.block.registers
    .filter(
      (r) =>
        wanted === '' ||
        r.name.toLowerCase().includes(wanted) ||
        r.title.toLowerCase().includes(wanted),
    )
    .map((register): TableRow => {
      const words = registers.wordsOf(register);
      const value = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
      return {
        id: register.name,
        cells: [
          toHex(register.offset, 3),
          register.name,
          register.title,
          toHex(value, register.bytes * 2),
        ],
        detail: [
          registerSection(register, {
            id: `register-${register.name}`,
            words,
            context: layoutContextOf(machine),
          }),
        ],
      };
    });
  return {
    view: 'registers',
    title: 'IOMMU registers',
    subtitle: `${machine.unit.name}, ${rows.length} registers`,
    choices: [
      {
        param: 'filter',
        title: 'Filter',
        value: params.filter ?? '',
        options: [],
        isFreeText: true,
      },
    ],
    sections: [
      {
        kind: 'table',
        id: 'registers',
        columns: [
          { id: 'offset', title: 'Offset', isMono: true },
          { id: 'name', title: 'Register', isMono: true },
          { id: 'title', title: 'Title', grow: 2 },
          { id: 'value', title: 'Value', isMono: true, align: 'right' },
        ],
        rows,
        empty: 'No register matches the filter.',
      },
    ],
    notModelled:
      'Performance monitoring, MTRRs and resource director registers store values and do nothing else',
  };
}
