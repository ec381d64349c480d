import fc from 'fast-check';
import { expect, it } from 'vitest';
import { COMPLETION } from '../../src-main/sim/pcie/ports.ts';
import { InterruptRemapping } from '../../src-main/sim/iommu/interrupt-remapping.ts';
import { unitLimits } from '../../src-main/sim/iommu/unit-limits.ts';
import { DEFAULT_PROFILE, decodeCapability } from '../../src-main/spec/vtd/capability-profile.ts';
import { remappableMessage } from '../../src-main/spec/vtd/interrupt-message.ts';
import { PostedInterruptDescriptor } from '../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import { EXIT_REASON } from '../../src-main/spec/cpu/vm-exit.ts';
import { checkProperty } from '../support/check-property.ts';
import { createCpuBench } from '../support/cpu-bench.ts';
import {
  GUEST,
  createGuestBench,
  readDescriptor,
  type GuestBench,
} from '../support/guest-bench.ts';
import { SID, TABLE, postedEntry } from '../support/interrupt-bench.ts';

const ALL_VECTORS = Array.from({ length: 256 }, (_, vector) => vector);

function sorted(vectors: ReadonlySet<number>): readonly number[] {
  return [...vectors].sort((a, b) => a - b);
}

type ApicStep =
  | { readonly kind: 'message'; readonly vector: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'end' }
  | { readonly kind: 'priority'; readonly value: number };

const apicStep: fc.Arbitrary<ApicStep> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.nat({ max: 255 }).map((vector) => ({ kind: 'message', vector }) as const),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'take' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'end' } as const) },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 15 }).map((c) => ({ kind: 'priority', value: c * 16 }) as const),
  },
);

/** The priority rules of a local APIC as sets of vectors. */
class NaiveApic {
  readonly requested = new Set<number>();
  readonly served = new Set<number>();
  task = 0;

  take(): number {
    const vector = Math.max(-1, ...this.requested);
    const floor = Math.max(this.task, ...this.served);
    if (vector < 0 || Math.floor(vector / 16) <= Math.floor(floor / 16)) {
      return -1;
    }
    this.requested.delete(vector);
    this.served.add(vector);
    return vector;
  }

  end(): void {
    this.served.delete(Math.max(-1, ...this.served));
  }
}

it('a local APIC takes vectors as a set with priorities does', () => {
  checkProperty(
    fc.property(fc.array(apicStep, { maxLength: 120 }), (steps) => {
      const { complex } = createCpuBench({ cpus: 1 });
      const cpu = complex.cpu(0);
      const model = new NaiveApic();
      for (const step of steps) {
        switch (step.kind) {
          case 'message':
            complex.deliver(0, 0xfee0_0000, step.vector);
            if (step.vector >= 16) {
              model.requested.add(step.vector);
            }
            break;
          case 'take':
            expect(cpu.takeInterrupt()).toBe(model.take());
            break;
          case 'end':
            cpu.apic.endOfInterrupt();
            model.end();
            break;
          case 'priority':
            cpu.writeMsr(0x808, BigInt(step.value));
            model.task = step.value;
        }
        const requested = ALL_VECTORS.filter((vector) => cpu.apic.isPending(vector));
        const served = ALL_VECTORS.filter((vector) => cpu.apic.isInService(vector));
        expect([requested, served]).toEqual([sorted(model.requested), sorted(model.served)]);
      }
    }),
  );
});

type GuestStep =
  | { readonly kind: 'device'; readonly index: number }
  | { readonly kind: 'host'; readonly vector: number }
  | {
      readonly kind: 'enter' | 'exit' | 'take' | 'end' | 'halt' | 'sync' | 'host-take' | 'host-end';
    };

const POSTED = 8;

const guestStep: fc.Arbitrary<GuestStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.nat({ max: POSTED - 1 }).map((index) => ({ kind: 'device', index }) as const),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 16, max: 0x40 })
      .map((vector) => ({ kind: 'host', vector }) as const),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(
        ...([
          'enter',
          'enter',
          'exit',
          'take',
          'take',
          'end',
          'end',
          'halt',
          'sync',
          'host-take',
          'host-end',
        ] as const),
      )
      .map((kind) => ({ kind })),
  },
);

function vectorOf(index: number): number {
  return 0x31 + index * 0x1a;
}

/** CPUs behind interrupt remapping; entries 0 to 7 post to the descriptor of the vCPU. */
function createMachine(
  traceMode: 'store' | 'count' = 'store',
): GuestBench & { readonly remapping: InterruptRemapping } {
  const bench = createGuestBench(traceMode);
  const remapping = new InterruptRemapping({
    memory: bench.memory,
    limits: unitLimits(decodeCapability(DEFAULT_PROFILE)),
    faults: { record: ({ reason }) => expect.fail(`Fault ${reason}`) },
    sink: bench.complex,
    trace: bench.trace,
    source: bench.trace.source('dmar0'),
    cacheEntries: 8,
  });
  for (let index = 0; index < POSTED; index++) {
    const words = postedEntry({ VV: vectorOf(index), PDA: BigInt(GUEST.descriptor) });
    bench.memory.writeWords(TABLE + index * 16, words);
  }
  const words = PostedInterruptDescriptor.encode({ NV: GUEST.notificationVector, NDST: 0 });
  bench.memory.writeWords(GUEST.descriptor, words);
  remapping.latchTable(0, TABLE, 7, true);
  remapping.setEnabled(true);
  return { ...bench, remapping };
}

type Machine = ReturnType<typeof createMachine>;

function run(machine: Machine, step: GuestStep): void {
  const cpu = machine.complex.cpu(0);
  switch (step.kind) {
    case 'device': {
      const { address, data } = remappableMessage(step.index);
      expect(machine.remapping.remap(SID, 0, address, data)).toBe(COMPLETION.success);
      return;
    }
    case 'host':
      machine.complex.deliver(0, 0xfee0_0000, step.vector);
      return;
    case 'enter':
      // As KVM does: what was posted while the vCPU did not run is taken over first.
      cpu.syncPosted(machine.complex.vcpu(0)!);
      machine.complex.enterGuest(0, 0);
      return;
    case 'exit':
      cpu.exitGuest(EXIT_REASON.hlt);
      return;
    case 'take':
      cpu.takeVirtualInterrupt();
      return;
    case 'end':
      cpu.endVirtualInterrupt();
      return;
    case 'halt':
      cpu.haltGuest();
      return;
    case 'sync':
      cpu.syncPosted(machine.complex.vcpu(0)!);
      return;
    case 'host-take':
      if (cpu.vcpu === undefined) {
        cpu.takeInterrupt();
      }
      return;
    case 'host-end':
      if (cpu.vcpu === undefined) {
        cpu.apic.endOfInterrupt();
      }
  }
}

it('posted vectors are never lost and never exit', () => {
  checkProperty(
    fc.property(fc.array(guestStep, { maxLength: 100 }), (steps) => {
      const machine = createMachine();
      const vcpu = machine.complex.vcpu(0)!;
      const waiting = new Set<number>();
      for (const step of steps) {
        const exits = vcpu.exits.total;
        const { apic, vcpu: running } = machine.complex.cpu(0);
        const wasRunning = running !== undefined;
        // A host that never ends the notification it took holds all others back.
        const isHeldBack = apic.isInService(GUEST.notificationVector);
        if (step.kind === 'take' && wasRunning) {
          const vector = machine.complex.cpu(0).takeVirtualInterrupt();
          expect(vector === -1 || waiting.delete(vector)).toBe(true);
        } else {
          run(machine, step);
        }
        if (step.kind === 'device') {
          waiting.add(vectorOf(step.index));
          expect(vcpu.exits.total).toBe(exits);
          if (wasRunning && !isHeldBack) {
            expect(vcpu.virtualApic.isRequested(vectorOf(step.index))).toBe(true);
          }
        }
        // Every vector is in PIR or in VIRR until the guest takes it.
        const { PIR } = readDescriptor(machine);
        const found = ALL_VECTORS.filter(
          (vector) => ((PIR >> BigInt(vector)) & 1n) === 1n || vcpu.virtualApic.isRequested(vector),
        );
        expect(found).toEqual(sorted(waiting));
      }
    }),
  );
});

it('a restored machine goes on exactly as the first time', () => {
  checkProperty(
    fc.property(
      fc.array(guestStep, { maxLength: 40 }),
      fc.array(guestStep, { maxLength: 40 }),
      (before, after) => {
        // As in a replay: the trace counts and starts at the number of the keyframe.
        const machine = createMachine('count');
        for (const step of before) {
          run(machine, step);
        }
        const saved = {
          head: machine.trace.head,
          memory: machine.memory.snapshot(),
          cpus: structuredClone(machine.complex.snapshot()),
          interrupts: structuredClone(machine.remapping.snapshot()),
        };
        const goOn = () => {
          for (const step of after) {
            run(machine, step);
          }
          return {
            head: machine.trace.head,
            cpus: machine.complex.snapshot(),
            interrupts: machine.remapping.snapshot(),
            descriptor: readDescriptor(machine),
          };
        };
        const first = goOn();
        machine.trace.resetTo(saved.head, -1, 0);
        machine.memory.restore(saved.memory);
        machine.complex.restore(saved.cpus);
        machine.remapping.restore(saved.interrupts);
        expect(machine.complex.snapshot()).toEqual(saved.cpus);
        expect(goOn()).toEqual(first);
      },
    ),
  );
});
