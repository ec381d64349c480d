/**
 * Basic exit reasons that the machine and the VMM layer can produce. Intel SDM volume 3, appendix C.
 */
import { defined } from '../../bits/invariant.ts';

export const EXIT_REASON = {
  exceptionOrNmi: 0,
  externalInterrupt: 1,
  interruptWindow: 7,
  cpuid: 10,
  hlt: 12,
  vmcall: 18,
  controlRegister: 28,
  ioInstruction: 30,
  rdmsr: 31,
  wrmsr: 32,
  invalidGuestState: 33,
  tprBelowThreshold: 43,
  apicAccess: 44,
  virtualizedEoi: 45,
  eptViolation: 48,
  eptMisconfiguration: 49,
  apicWrite: 56,
  enqcmdPasid: 72,
  enqcmdsPasid: 73,
} as const;
export type ExitReason = (typeof EXIT_REASON)[keyof typeof EXIT_REASON];

export interface ExitReasonInfo {
  readonly code: ExitReason;
  readonly title: string;
  readonly meaning: string;
}

export const EXIT_REASONS: readonly ExitReasonInfo[] = [
  {
    code: 0,
    title: 'Exception or NMI',
    meaning: 'An exception of the guest, or a non-maskable interrupt.',
  },
  {
    code: 1,
    title: 'External interrupt',
    meaning: 'A host interrupt arrived while the guest ran.',
  },
  { code: 7, title: 'Interrupt window', meaning: 'The guest became able to take an interrupt.' },
  {
    code: 10,
    title: 'CPUID',
    meaning: 'The guest asked for CPU features, which the VMM makes up.',
  },
  { code: 12, title: 'HLT', meaning: 'The guest has nothing to do.' },
  { code: 18, title: 'VMCALL', meaning: 'The guest called the VMM.' },
  {
    code: 28,
    title: 'Control-register access',
    meaning: 'The guest touched CR0, CR3, CR4 or CR8.',
  },
  {
    code: 30,
    title: 'I/O instruction',
    meaning: 'A port access, such as PCI configuration by CF8h/CFCh.',
  },
  { code: 31, title: 'RDMSR', meaning: 'The guest read an intercepted MSR.' },
  { code: 32, title: 'WRMSR', meaning: 'The guest wrote an intercepted MSR.' },
  { code: 33, title: 'Entry failure, guest state', meaning: 'VM entry refused the guest state.' },
  { code: 43, title: 'TPR below threshold', meaning: 'The guest lowered its task priority.' },
  { code: 44, title: 'APIC access', meaning: 'The guest touched the APIC page.' },
  {
    code: 45,
    title: 'Virtualized EOI',
    meaning: 'The guest ended an interrupt the VMM must see the end of.',
  },
  {
    code: 48,
    title: 'EPT violation',
    meaning: 'Trapped memory: registers that the VMM emulates, or a page not mapped.',
  },
  {
    code: 49,
    title: 'EPT misconfiguration',
    meaning: 'An EPT entry with a forbidden setting; KVM marks MMIO so.',
  },
  {
    code: 56,
    title: 'APIC write',
    meaning: 'A write to the virtual APIC that the VMM must finish.',
  },
  {
    code: 72,
    title: 'ENQCMD PASID translation failure',
    meaning: 'The guest PASID in IA32_PASID has no host PASID.',
  },
  {
    code: 73,
    title: 'ENQCMDS PASID translation failure',
    meaning: 'The guest PASID in the command has no host PASID.',
  },
];

export function exitReasonInfo(reason: ExitReason): ExitReasonInfo {
  return defined(
    EXIT_REASONS.find((r) => r.code === reason),
    `Exit reason ${reason}`,
  );
}

/** For trace records. */
export const EXIT_REASON_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  EXIT_REASONS.map((r) => [r.code, r.title]),
);
