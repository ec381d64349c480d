/**
 * The register map of one remapping unit: which registers exist and where, as its capabilities say. VT-d 5.10 section 11.4.
 *
 * Registers of absent groups are left out: they read as zero and ignore writes. Fields of absent capabilities become
 * reserved.
 */
import {
  defineRegisterBlock,
  gateRegister,
  placeRegister,
  withResets,
  type Register,
  type RegisterBlock,
} from '../../bits/register-block.ts';
import type { IommuCapability } from './capability-profile.ts';
import { CAP_REG, ECAP_REG, VER_REG } from './registers/capability.ts';
import {
  ECCAP0_REG,
  ECCAP1_REG,
  ECCAP2_REG,
  ECCAP3_REG,
  ECEO_REG,
  ECMD_REG,
  ECRSP_REG,
  ECSTS0_REG,
  ECSTS1_REG,
} from './registers/enhanced-command.ts';
import {
  FEADDR_REG,
  FECTL_REG,
  FEDATA_REG,
  FEUADDR_REG,
  FRCD_REG,
  FSTS_REG,
} from './registers/fault.ts';
import { GCMD_REG, GSTS_REG, RTADDR_REG } from './registers/global-command.ts';
import { IRTA_REG } from './registers/interrupt-remapping.ts';
import {
  ICS_REG,
  IEADDR_REG,
  IECTL_REG,
  IEDATA_REG,
  IEUADDR_REG,
  IQA_REG,
  IQERCD_REG,
  IQH_REG,
  IQT_REG,
} from './registers/invalidation-queue.ts';
import {
  FIXED_RANGE_MTRRS,
  MTRRCAP_REG,
  MTRRDEF_REG,
  VARIABLE_RANGE_MTRRS,
} from './registers/memory-type.ts';
import {
  PEADDR_REG,
  PECTL_REG,
  PEDATA_REG,
  PEUADDR_REG,
  PQA_REG,
  PQH_REG,
  PQT_REG,
  PRS_REG,
} from './registers/page-request.ts';
import {
  PERFCAP_REG,
  PERFCFGOFF_REG,
  PERFCNTROFF_REG,
  PERFEVNTCAP_REG,
  PERFFRZOFF_REG,
  PERFINTRCTL_REG,
  PERFINTRSTS_REG,
  PERFOVFOFF_REG,
} from './registers/performance-monitoring.ts';
import {
  PHMBASE_REG,
  PHMLIMIT_REG,
  PLMBASE_REG,
  PLMLIMIT_REG,
  PMEN_REG,
} from './registers/protected-memory.ts';
import { CCMD_REG, IOTLB_REG, IVA_REG } from './registers/register-invalidation.ts';
import { RDTC_REG } from './registers/resource-director.ts';
import {
  VCCAP_REG_REV_3_0,
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
} from './registers/virtual-command-rev-3-0.ts';
import { VCCAP_REG, VCMD_EO_REG, VCMD_REG, VCRSP_REG } from './registers/virtual-command.ts';

/** Registers that exist when the unit has all of the named capabilities. */
interface RegisterGroup {
  readonly title: string;
  readonly needs: readonly string[];
  readonly registers: readonly Register[];
}

/** Every register with a fixed offset, by what makes it exist. */
export const REGISTER_GROUPS: readonly RegisterGroup[] = [
  {
    title: 'Capability, command and status',
    needs: [],
    registers: [VER_REG, CAP_REG, ECAP_REG, GCMD_REG, GSTS_REG, RTADDR_REG, CCMD_REG],
  },
  {
    title: 'Fault event',
    needs: [],
    registers: [FSTS_REG, FECTL_REG, FEDATA_REG, FEADDR_REG, FEUADDR_REG],
  },
  { title: 'Protected low memory', needs: ['PLMR'], registers: [PLMBASE_REG, PLMLIMIT_REG] },
  { title: 'Protected high memory', needs: ['PHMR'], registers: [PHMBASE_REG, PHMLIMIT_REG] },
  {
    title: 'Invalidation queue',
    needs: ['QI'],
    registers: [
      ...[IQH_REG, IQT_REG, IQA_REG, ICS_REG],
      ...[IECTL_REG, IEDATA_REG, IEADDR_REG, IEUADDR_REG, IQERCD_REG],
    ],
  },
  { title: 'Interrupt remapping', needs: ['IR'], registers: [IRTA_REG] },
  {
    title: 'Page requests',
    needs: ['PRS'],
    registers: [
      ...[PQH_REG, PQT_REG, PQA_REG, PRS_REG],
      ...[PECTL_REG, PEDATA_REG, PEADDR_REG, PEUADDR_REG],
    ],
  },
  {
    title: 'Memory types',
    needs: ['MTS'],
    registers: [MTRRCAP_REG, MTRRDEF_REG, ...FIXED_RANGE_MTRRS, ...VARIABLE_RANGE_MTRRS],
  },
  {
    title: 'Performance monitoring',
    needs: ['PMS'],
    registers: [
      ...[PERFCAP_REG, PERFCFGOFF_REG, PERFFRZOFF_REG, PERFOVFOFF_REG, PERFCNTROFF_REG],
      ...[PERFINTRSTS_REG, PERFINTRCTL_REG, PERFEVNTCAP_REG],
    ],
  },
  {
    title: 'Enhanced commands',
    needs: ['ECMDS'],
    registers: [
      ...[ECMD_REG, ECEO_REG, ECRSP_REG, ECSTS0_REG, ECSTS1_REG],
      ...[ECCAP0_REG, ECCAP1_REG, ECCAP2_REG, ECCAP3_REG],
    ],
  },
  { title: 'Resource Director Technology', needs: ['RDTS'], registers: [RDTC_REG] },
  {
    title: 'Virtual commands',
    needs: ['VCS'],
    registers: [VCMD_REG, VCMD_EO_REG, VCRSP_REG, VCCAP_REG],
  },
];

/** Virtual commands as Rev 3.0 had them: what units of older register sets present to their guests. */
const OLD_VIRTUAL_COMMANDS: readonly Register[] = [
  VCCAP_REG_REV_3_0,
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
];

function registersOf(
  group: RegisterGroup,
  { followsRevision4 }: IommuCapability,
): readonly Register[] {
  return group.needs.includes('VCS') && !followsRevision4 ? OLD_VIRTUAL_COMMANDS : group.registers;
}

/** Name of the recording register `index`. */
export function faultRecordingRegisterName(index: number): string {
  return `${FRCD_REG.name}_${index}`;
}

function placedRegisters(capability: IommuCapability): readonly Register[] {
  const { faultRecordOffset, faultRecordCount, ivaOffset } = capability;
  return [
    placeRegister(IVA_REG, ivaOffset + IVA_REG.offset),
    placeRegister(IOTLB_REG, ivaOffset + IOTLB_REG.offset),
    ...Array.from({ length: faultRecordCount }, (_, i) =>
      placeRegister(
        FRCD_REG,
        faultRecordOffset + i * FRCD_REG.bytes,
        faultRecordingRegisterName(i),
      ),
    ),
  ];
}

function capabilityRegisters(capability: IommuCapability): ReadonlyMap<string, Register> {
  const { major, minor, cap, ecap } = capability;
  return new Map<string, Register>([
    [VER_REG.name, withResets(VER_REG, { MAX: major, MIN: minor })],
    [CAP_REG.name, withResets(CAP_REG, cap)],
    [ECAP_REG.name, withResets(ECAP_REG, ecap)],
  ]);
}

/** The registers of a unit with this capability; overlaps (FRO or IRO placed badly) throw. */
export function vtdRegisterBlock(capability: IommuCapability, name = 'vtd'): RegisterBlock {
  const { context } = capability;
  const own = capabilityRegisters(capability);
  const groups = REGISTER_GROUPS.filter((g) => g.needs.every((c) => context.has(c)));
  const hasProtectedMemory = context.has('PLMR') || context.has('PHMR');
  const registers = [
    ...groups.flatMap((g) => registersOf(g, capability)),
    ...(hasProtectedMemory ? [PMEN_REG] : []),
    ...placedRegisters(capability),
  ];
  return defineRegisterBlock(
    name,
    registers.map((r) => own.get(r.name) ?? gateRegister(r, context)),
  );
}

/** Size of the register region: whole pages up to the last register. */
export function vtdRegionBytes(block: RegisterBlock): number {
  const PAGE = 4096;
  const end = Math.max(...block.registers.map((r) => r.offset + r.bytes));
  return Math.ceil(end / PAGE) * PAGE;
}
