/**
 * How many descriptors a second the accelerator model executes: portal write, dispatch, 64-byte move with warm device TLB,
 * completion record, with the trace off. Run by node; prints one JSON object.
 *
 *     node test/perf/dsa-throughput.ts [descriptors]
 */
import { OPCODE } from '../../src-main/spec/dsa/operations.ts';
import { WQ_MODE } from '../../src-main/spec/dsa/wq-config.ts';
import { DsaDriver, RECORD, descriptor } from '../support/dsa-driver.ts';

const DEFAULT_COUNT = 1_000_000;
const IN_FLIGHT = 64;

interface Measurement {
  readonly name: string;
  readonly workQueues: number;
  readonly descriptors: number;
  readonly perSecond: number;
  /** The same against processor time, which other load on the machine does not change. */
  readonly perCpuSecond: number;
  readonly nanosecondsEach: number;
}

function prepare(workQueues: number): DsaDriver {
  const driver = new DsaDriver({
    config: { wqs: workQueues, totalWqSize: Math.max(128, workQueues * 16) },
    trace: { mode: 'off' },
  });
  driver.setUpFunction();
  const engines = (1n << 4n) - 1n;
  const perGroup = Math.ceil(workQueues / 4);
  const groups = workQueues > 256 ? 4 : 1;
  for (let group = 0; group < groups; group++) {
    const count = groups === 1 ? workQueues : perGroup;
    driver.writeGroup(group, {
      wqs: (1n << BigInt(count)) - 1n,
      engines: groups === 1 ? engines : 1n << BigInt(group),
      readBuffersAllowed: groups === 1 ? 96 : 24,
      readBuffersReserved: groups === 1 ? 0 : 24,
      window: groups === 1 ? 0 : group,
    });
  }
  for (let wq = 0; wq < workQueues; wq++) {
    driver.writeWq(wq, {
      size: 16,
      threshold: 16,
      priority: 1 + (wq % 15),
      maxTransferShift: 21,
      maxBatchShift: 5,
      mode: WQ_MODE.dedicated,
      pasidEnable: 1,
      pasid: 1 + (wq % 8),
    });
  }
  driver.command(1);
  for (let wq = 0; wq < workQueues; wq++) {
    driver.command(6, wq & 0xff, (wq >>> 8) << 25);
  }
  return driver;
}

function measure(name: string, workQueues: number, count: number): Measurement {
  const driver = prepare(workQueues);
  const { device, queue } = driver;
  const move = descriptor(
    OPCODE.memoryMove,
    { source: 0x1_0000n, destination: 0x2_0000n, size: 64, recordAddress: 0x3_0000n },
    RECORD,
  );
  const submit = (rounds: number): void => {
    let wq = 0;
    for (let done = 0; done < rounds; done += IN_FLIGHT) {
      for (let i = 0; i < IN_FLIGHT; i++) {
        device.blockWrite(2, wq * 0x4000, move, 'posted');
        wq = wq + 1 < workQueues ? wq + 1 : 0;
      }
      while (queue.runNext(Number.POSITIVE_INFINITY));
    }
  };
  submit(Math.min(count, 100_000));
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  submit(count);
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = process.cpuUsage(startCpu);
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  return {
    name,
    workQueues,
    descriptors: count,
    perSecond: Math.round(count / seconds),
    perCpuSecond: Math.round(count / cpuSeconds),
    nanosecondsEach: Math.round((cpuSeconds / count) * 1e9),
  };
}

const count = Number(process.argv[2] ?? DEFAULT_COUNT);
const results = [
  measure('64-byte move, 8 WQs', 8, count),
  measure('64-byte move, 255 WQs', 255, count),
  measure('64-byte move, 1024 WQs', 1024, count),
];
process.stdout.write(`${JSON.stringify({ unit: 'descriptors per second', results }, null, 2)}\n`);
