/** The command interfaces of a remapping unit, alone with their registers. */
import { defineRegisterBlock, withResets } from '../../src-main/bits/register-block.ts';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { RegisterFile } from '../../src-main/sim/core/register-file.ts';
import { Trace } from '../../src-main/sim/core/trace.ts';
import { asRegister } from '../../src-main/sim/iommu/command-interface.ts';
import { EnhancedCommandUnit } from '../../src-main/sim/iommu/enhanced-command.ts';
import {
  VirtualCommand,
  virtualCommandRegisters,
  type PasidAllocatorPort,
  type VirtualCommandEncoding,
} from '../../src-main/sim/iommu/virtual-command.ts';
import {
  ECCAP0_REG,
  ECCAP1_REG,
  ECCAP2_REG,
  ECCAP3_REG,
  ECEO_REG,
  ECMD_REG,
  ECRSP_REG,
} from '../../src-main/spec/vtd/registers/enhanced-command.ts';

/** PASIDs 100h to 101h, then none. */
export class TwoPasids implements PasidAllocatorPort {
  readonly owned = new Set<number>();

  allocate(): number {
    const pasid = [0x100, 0x101].find((p) => !this.owned.has(p)) ?? -1;
    if (pasid >= 0) {
      this.owned.add(pasid);
    }
    return pasid;
  }

  free(pasid: number): boolean {
    return this.owned.delete(pasid);
  }
}

export interface VirtualBench {
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly registers: RegisterFile;
  readonly allocator: TwoPasids;
  readonly unit: VirtualCommand;
}

export function createVirtual(encoding: VirtualCommandEncoding, latencyNs?: number): VirtualBench {
  const trace = new Trace({ mode: 'store' });
  const queue = new EventQueue(trace);
  const block = defineRegisterBlock('vcmd', virtualCommandRegisters(encoding));
  const registers: RegisterFile = new RegisterFile(block, 0x1000, {
    onDidWrite: (write) => unit.written(write),
  });
  const allocator = new TwoPasids();
  const unit: VirtualCommand = new VirtualCommand({
    registers,
    encoding,
    allocator,
    trace,
    source: trace.source('vdmar0'),
    ...(latencyNs === undefined ? {} : { latency: { queue, ns: latencyNs } }),
  });
  return { trace, queue, registers, allocator, unit };
}

export interface EnhancedBench {
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly registers: RegisterFile;
  readonly unit: EnhancedCommandUnit;
  readonly run: (command: number, operand?: bigint) => number;
}

export function createEnhanced(
  options: { isBusy?: boolean; latencyNs?: number; counters?: number } = {},
): EnhancedBench {
  const trace = new Trace({ mode: 'store' });
  const queue = new EventQueue(trace);
  const support = withResets(ECCAP3_REG, {
    ECNTS: 1,
    DCNTS: 1,
    RCNTCFGS: 1,
    RCNTS: 1,
    FCNTS: 1,
  });
  const block = defineRegisterBlock(
    'ecmd',
    [ECMD_REG, ECEO_REG, ECRSP_REG, ECCAP0_REG, ECCAP1_REG, ECCAP2_REG, support].map((r) =>
      asRegister(r as never),
    ),
  );
  const registers: RegisterFile = new RegisterFile(block, 0x1000, {
    onDidWrite: (write) => unit.written(write),
  });
  const unit: EnhancedCommandUnit = new EnhancedCommandUnit({
    registers,
    counters: options.counters ?? 4,
    trace,
    source: trace.source('dmar0'),
    isGlobalCommandRunning: () => options.isBusy ?? false,
    ...(options.latencyNs === undefined ? {} : { latency: { queue, ns: options.latencyNs } }),
  });
  const run = (command: number, operand = 0n): number => {
    registers.write(ECMD_REG.offset, 8, BigInt(command) | (operand << 16n));
    return ECRSP_REG.decode(registers.wordsOf(asRegister(ECRSP_REG))).SC;
  };
  return { trace, queue, registers, unit, run };
}
