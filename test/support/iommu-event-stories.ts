/** Short stories of a remapping unit, and the kinds of trace records that each must leave. */
import type { Trace } from '../../src-main/sim/core/trace.ts';
import { DEFAULT_IOMMU_CACHES } from '../../src-main/sim/machine-config.ts';
import {
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
} from '../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import { DeviceTlbInvalidate } from '../../src-main/spec/vtd/descriptors/device-tlb-descriptors.ts';
import { PageGroupResponse } from '../../src-main/spec/vtd/descriptors/page-request-descriptors.ts';
import { InvalidationWait } from '../../src-main/spec/vtd/descriptors/wait-descriptor.ts';
import { postedEntry, xapicEntry } from './interrupt-bench.ts';
import { createEnhanced, createVirtual } from './iommu-command-bench.ts';
import { POSTED_DESCRIPTOR, interruptUnit, sendInterrupt } from './iommu-interrupt-scenarios.ts';
import { PASID, RID, TranslatingUnit, type SetupOptions } from './iommu-setup.ts';

export interface EventStory {
  readonly title: string;
  readonly kinds: readonly string[];
  readonly tell: () => Trace;
}

const STORED = { traceMode: 'store' } as const;

function unitOf(options: SetupOptions = {}): TranslatingUnit {
  return new TranslatingUnit({ ...STORED, ...options });
}

export const EVENT_STORIES: readonly EventStory[] = [
  {
    title: 'software brings the unit up, a request passes, remapping ends',
    kinds: [
      'iommu.register.written',
      'iommu.root-table.latched',
      'iommu.translation.switched',
      'iommu.request.translated',
      'iommu.caches.flushed',
    ],
    tell: () => {
      const unit = unitOf();
      unit.request('UP');
      unit.bench.clear('TE');
      return unit.bench.trace;
    },
  },
  {
    title: 'requests fault until the log is full, and software frees a record',
    kinds: [
      'iommu.request.blocked',
      'iommu.entry.read',
      'iommu.fault.recorded',
      'iommu.fault.lost',
      'iommu.event-message.held',
      'iommu.event-message.withdrawn',
    ],
    tell: () => {
      const unit = unitOf({ entry: { P: 0 } });
      for (let i = 0; i < 9; i++) {
        unit.request('UP');
      }
      for (let i = 0; i < 8; i++) {
        unit.bench.freeRecord(i);
      }
      unit.bench.write('FSTS_REG', 1);
      return unit.bench.trace;
    },
  },
  {
    title: 'the queue works, and stops at a bad descriptor',
    kinds: [
      'iommu.descriptor.executed',
      'iommu.wait.completed',
      'iommu.invalidation-queue.stopped',
      'iommu.page-group-response.sent',
      'iommu.event-message.sent',
      'iommu.event-message.suppressed',
    ],
    tell: () => {
      const { bench } = unitOf();
      bench.write('IECTL_REG', 0);
      bench.startQueue();
      const wait = InvalidationWait.encode({ IF: 1 });
      bench.submit(IotlbInvalidate.encode({ G: 1 }), PageGroupResponse.encode({ RID }), wait, wait);
      bench.submit(Uint32Array.of(0xf));
      return bench.trace;
    },
  },
  {
    title: 'device TLBs answer, answer wrongly, and do not answer',
    kinds: [
      'iommu.device-tlb-invalidation.sent',
      'iommu.device-tlb-invalidation.completed',
      'iommu.device-tlb-completion.refused',
      'iommu.device-tlb-invalidation.timed-out',
    ],
    tell: () => {
      const { bench } = unitOf();
      bench.startQueue();
      const invalidate = DeviceTlbInvalidate.encode({ SID: RID });
      bench.submit(invalidate, invalidate);
      bench.unit.invalidationComplete(RID, 0b101, 1);
      bench.settle();
      return bench.trace;
    },
  },
  {
    title: 'a device asks for pages, once too often',
    kinds: ['iommu.page-request.queued', 'iommu.page-request.answered-by-unit'],
    tell: () => {
      const { bench } = unitOf();
      bench.write('PQT_REG', 4096 - 64);
      bench.pageRequest(RID, { address: 0n, pasid: PASID });
      bench.pageRequest(RID, { address: 0n, pasid: PASID });
      return bench.trace;
    },
  },
  {
    title: 'registers refuse what this unit does by the queue, and short accesses',
    kinds: ['iommu.register-invalidation.refused', 'iommu.register.access-refused'],
    tell: () => {
      const { bench } = unitOf();
      bench.write('CCMD_REG', 0xa000_0000_0000_0000n);
      bench.unit.write(0x34, 2, 1n);
      return bench.trace;
    },
  },
  {
    title: 'protected memory stays out of reach',
    kinds: ['iommu.protected-memory.blocked'],
    tell: () => {
      const unit = unitOf({ flags: { PHMR: true } });
      unit.bench.write('PHMBASE_REG', unit.output);
      unit.bench.write('PHMLIMIT_REG', unit.output);
      unit.bench.write('PMEN_REG', 0x8000_0000);
      unit.request('UP');
      return unit.bench.trace;
    },
  },
  {
    title: 'interrupts are remapped, from memory and from the cache, and blocked',
    kinds: [
      'iommu.interrupt-table.latched',
      'iommu.interrupt-remapping.switched',
      'iommu.compatibility-format.switched',
      'iommu.interrupt.requested',
      'iommu.interrupt-entry.fetched',
      'iommu.interrupt-entry.cached',
      'iommu.interrupt-entry.hit',
      'iommu.interrupt-entry.invalidated',
      'iommu.interrupt.remapped',
      'iommu.interrupt.passed',
      'iommu.interrupt.blocked',
    ],
    tell: () => {
      const bench = interruptUnit({
        options: { ...STORED, caches: DEFAULT_IOMMU_CACHES },
        entry: xapicEntry(),
        isExtended: false,
      });
      const other = { address: 0xfee0_1000, data: 0x41 };
      sendInterrupt(bench);
      sendInterrupt(bench);
      sendInterrupt(bench, { message: other });
      bench.command('CFI');
      sendInterrupt(bench, { message: other });
      bench.startQueue({ isWide: false });
      bench.startQueue();
      bench.submit(InterruptEntryCacheInvalidate.encode({ G: 0 }));
      return bench.trace;
    },
  },
  {
    title: 'an interrupt is posted',
    kinds: ['iommu.interrupt.posted', 'iommu.notification.sent'],
    tell: () => {
      const bench = interruptUnit({
        options: STORED,
        entry: postedEntry({ PDA: BigInt(POSTED_DESCRIPTOR) }),
      });
      sendInterrupt(bench);
      return bench.trace;
    },
  },
  {
    title: 'a guest uses virtual commands, one too early',
    kinds: [
      'iommu.virtual-command.started',
      'iommu.virtual-command.dropped',
      'iommu.virtual-command.completed',
    ],
    tell: () => {
      const { registers, queue, trace } = createVirtual('current', 100);
      registers.write(0xe00, 8, 1n);
      registers.write(0xe00, 8, 1n);
      queue.runNext(100);
      return trace;
    },
  },
  {
    title: 'software uses enhanced commands, one too early',
    kinds: [
      'iommu.enhanced-command.dropped',
      'iommu.enhanced-command.completed',
      'iommu.performance-counter.unmodelled',
    ],
    tell: () => {
      const { run, queue, trace } = createEnhanced({ latencyNs: 100 });
      run(0xf0, 1n);
      run(0xf0, 1n);
      queue.runNext(100);
      return trace;
    },
  },
];
