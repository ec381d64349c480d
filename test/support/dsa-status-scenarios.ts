/**
 * For every completion status and every error of the accelerator's catalogue, the shortest way to it through registers and
 * portals. A test compares the table with the declarations, so a code without a scenario fails.
 */
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import { EventLogEntry } from '../../src-main/spec/dsa/event-log-entry.ts';
import { SWERROR } from '../../src-main/spec/dsa/general-registers.ts';
import { IdptEntry } from '../../src-main/spec/dsa/inter-domain.ts';
import { OPCODE } from '../../src-main/spec/dsa/operations.ts';
import { DEVICE_ERROR, STATUS } from '../../src-main/spec/dsa/status-codes.ts';
import { COMPLETION } from '../../src-main/sim/pcie/ports.ts';
import { DEDICATED, DsaDriver, RECORD, SHARED, descriptor, expectSuccess } from './dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;

export const S = 0x1_0000;
export const D = 0x8_0000;
export const AT = 0x2000;
const LIST = 0x6_0000;
export const LOG = 0x1c_0000;

export const MOVE: Values = { source: BigInt(S), destination: BigInt(D), size: 64 };

export function plain(profile: 'v1' | 'v2' | 'v3' = 'v1', wq: Values = {}): DsaDriver {
  return new DsaDriver({ config: { profile } }).setUp([
    { ...DEDICATED, blockOnFault: 1, ...wq },
    SHARED,
  ]);
}

/** Version 2 with the event log on. */
export function logging(wq: Values = {}, options: Values = {}): DsaDriver {
  const driver = new DsaDriver({ config: { profile: 'v2' } });
  driver.setUpFunction();
  driver.write(0x80, driver.read(0x80) | (1 << 13));
  driver.write(0xe0, LOG);
  driver.write(0xe8, 64);
  driver.setUpQueues([{ ...DEDICATED, ...wq }, SHARED], options);
  return driver;
}

export function run(
  driver: DsaDriver,
  opcode: number,
  values: Values = MOVE,
  flags = 0,
  wq = 0,
): number {
  return Number(
    driver.execute(
      descriptor(opcode, { recordAddress: BigInt(AT), ...values }, RECORD | flags),
      wq,
    )['status'],
  );
}

/** Runs without looking at a record, and gives the error code of SWERROR. */
export function softwareError(driver: DsaDriver, words: Uint32Array, wq = 0): number {
  driver.submit(wq, words);
  driver.run();
  return readSoftwareError(driver).code;
}

export function readSoftwareError(driver: DsaDriver): ReturnType<typeof SWERROR.decode> {
  return SWERROR.decode(Uint32Array.from({ length: 8 }, (_, i) => driver.read(0xc0 + 4 * i)));
}

export function logEntry(driver: DsaDriver, slot = 0): ReturnType<typeof EventLogEntry.decode> {
  const bytes = driver.bytes(LOG + slot * 64, 64);
  const view = new DataView(bytes.buffer);
  return EventLogEntry.decode(
    Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(i * 4, true)),
  );
}

function writeList(driver: DsaDriver, members: readonly Uint32Array[]): void {
  members.forEach((member, i) => {
    driver.fill(LIST + i * 64, new Uint8Array(member.buffer));
  });
}

export function respond(driver: DsaDriver, code: 0 | 1 | 15): void {
  driver.port.onPageRequest = (request) => {
    driver.device.pageResponse(request.pasid, request.groupIndex, code);
  };
}

/** An inter-domain driver: entry 3 lets PASID 1 read and write a window of PASID 9. */
export function interDomain(entry: Values = {}): DsaDriver {
  const driver = plain('v2');
  const words = IdptEntry.encode({
    usable: 1,
    submitterPasid: 1,
    read: 1,
    write: 1,
    accessPasid: 9,
    windowEnable: 1,
    windowBase: BigInt(S),
    windowSize: 0x1000n,
    ...entry,
  });
  const base = driver.table(5) + 3 * 32;
  [...words].slice(1).forEach((word, i) => {
    driver.write(base + 4 * (i + 1), word);
  });
  driver.write(base, words[0] as number);
  expectSuccess(driver.command(COMMAND.requestIdptHandle, 3), 'Request IDPT Handle');
  return driver;
}

export const CROSS: Values = { ...MOVE, alternateSource: 1, sourceHandle: 3 };

/** A queue without page requests loses a record to the log, and drains. */
export function drainAfterRecordFault(): DsaDriver {
  const driver = logging({ prsDisable: 1 });
  driver.port.unmap(1, 0x4000);
  driver.submit(0, descriptor(OPCODE.noop, { recordAddress: 0x4000n }, RECORD));
  driver.submit(0, descriptor(OPCODE.drain, { recordAddress: BigInt(AT) }, RECORD));
  driver.run();
  return driver;
}

/** The same with a record of a batch's member. */
export function batchAfterRecordFault(): DsaDriver {
  const driver = logging({ prsDisable: 1 });
  driver.port.unmap(1, 0x4000);
  writeList(driver, [
    descriptor(OPCODE.noop, { recordAddress: 0x4000n }, RECORD),
    descriptor(OPCODE.noop),
  ]);
  const batch = { list: BigInt(LIST), count: 2, recordAddress: BigInt(AT) };
  driver.submit(0, descriptor(OPCODE.batch, batch, RECORD));
  driver.run();
  return driver;
}

/** How each status comes about: in a completion record, or in SWERROR or the event log where there can be none. */
export const STATUS_SCENARIOS: Readonly<Record<number, () => number>> = {
  [STATUS.success]: () => run(plain(), OPCODE.memoryMove),
  [STATUS.successFalsePredicate]: () => {
    const values = { source1: BigInt(S), source2: BigInt(D), size: 8, expectedResult: 1 };
    return run(plain(), OPCODE.compare, values, FLAG.checkResult);
  },
  [STATUS.pageFault]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    return run(driver, OPCODE.memoryMove);
  },
  [STATUS.pageRequestInvalid]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    respond(driver, 1);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.blockOnFault);
  },
  [STATUS.batchMemberFailed]: () => {
    const driver = plain();
    writeList(driver, [descriptor(OPCODE.noop), descriptor(0x3f)]);
    return run(driver, OPCODE.batch, { list: BigInt(LIST), count: 2 });
  },
  [STATUS.batchListFault]: () => {
    const driver = plain();
    driver.port.unmap(1, LIST);
    respond(driver, 1);
    return run(driver, OPCODE.batch, { list: BigInt(LIST), count: 2 });
  },
  [STATUS.deltaOffsetOrder]: () => {
    const driver = plain();
    driver.fill(LIST, [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
    return run(driver, OPCODE.applyDelta, {
      delta: BigInt(LIST),
      destination: BigInt(D),
      size: 4096,
      deltaSize: 20,
    });
  },
  [STATUS.deltaOffsetRange]: () => {
    const driver = plain();
    driver.fill(LIST, [0, 2]);
    return run(driver, OPCODE.applyDelta, {
      delta: BigInt(LIST),
      destination: BigInt(D),
      size: 4096,
      deltaSize: 10,
    });
  },
  [STATUS.difError]: () => {
    const driver = plain();
    driver.fill(S, [1]);
    return run(driver, OPCODE.difCheck, { source: BigInt(S), size: 520 });
  },
  [STATUS.opcode]: () => run(plain(), 0x3f, {}),
  [STATUS.flags]: () => run(plain(), OPCODE.memoryMove, MOVE, FLAG.fence),
  [STATUS.reserved]: () => {
    const words = descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT) }, RECORD);
    words[15] = 1;
    return Number(plain().execute(words)['status']);
  },
  [STATUS.transferSize]: () => run(plain(), OPCODE.memoryMove, { ...MOVE, size: 0 }),
  [STATUS.descriptorCount]: () => run(plain(), OPCODE.batch, { list: BigInt(LIST), count: 1 }),
  [STATUS.fieldValue]: () =>
    run(plain(), OPCODE.createDelta, {
      source1: BigInt(S),
      source2: BigInt(D),
      size: 8,
      delta: BigInt(LIST),
      maxDeltaSize: 70,
    }),
  [STATUS.overlap]: () =>
    run(plain(), OPCODE.copyCrc, { source: BigInt(S), destination: BigInt(S + 8), size: 64 }),
  [STATUS.dualcastOffset]: () =>
    run(plain(), OPCODE.dualcast, { ...MOVE, destination2: BigInt(D + 0x1_0001) }),
  [STATUS.listAlignment]: () => run(plain(), OPCODE.batch, { list: BigInt(LIST + 32), count: 2 }),
  [STATUS.interruptHandle]: () =>
    run(plain(), OPCODE.memoryMove, { ...MOVE, interruptHandle: 9 }, FLAG.requestInterrupt),
  [STATUS.recordFault]: () => {
    const driver = plain();
    driver.port.unmap(1, AT);
    respond(driver, 1);
    return softwareError(
      driver,
      descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT) }, RECORD),
    );
  },
  [STATUS.recordAlignment]: () =>
    softwareError(
      plain(),
      descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT + 16) }, RECORD),
    ),
  [STATUS.alignment]: () =>
    run(plain(), OPCODE.createDelta, {
      source1: BigInt(S + 4),
      source2: BigInt(D),
      size: 8,
      delta: BigInt(LIST),
      maxDeltaSize: 80,
    }),
  [STATUS.privilege]: () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, priv: 0 }, SHARED], { priv: false });
    return softwareError(
      driver,
      descriptor(OPCODE.noop, { pasid: 4, priv: 1, recordAddress: BigInt(AT) }, RECORD),
      1,
    );
  },
  [STATUS.trafficClass]: () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.device.configWrite(0x184, 4, 0x8000_0001);
    driver.setUpQueues([DEDICATED], { tcA: 0, tcB: 1 });
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.tc2);
  },
  [STATUS.readbackFault]: () => {
    const driver = plain('v2');
    driver.port.unmap(1, D);
    respond(driver, 1);
    return run(driver, OPCODE.drain, { readback1Valid: 1, readback1: BigInt(D) });
  },
  [STATUS.hardwareRead]: () => {
    const driver = plain();
    driver.port.breakPage(S);
    return run(driver, OPCODE.memoryMove);
  },
  [STATUS.hardwareWrite]: () => {
    const driver = plain();
    driver.port.breakPage(D);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.cacheControl2);
  },
  [STATUS.translation]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    respond(driver, 15);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.blockOnFault);
  },
  [STATUS.drainAfterRecordFault]: () => logEntry(drainAfterRecordFault(), 1).code,
  [STATUS.batchAfterRecordFault]: () => logEntry(batchAfterRecordFault(), 1).code,
  [STATUS.interDomainNoPasid]: () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp([{ mode: 1 }], {
      pasid: false,
      priv: false,
    });
    return run(driver, OPCODE.interDomainCopy, CROSS);
  },
  [STATUS.idptHandle]: () =>
    run(interDomain(), OPCODE.interDomainCopy, { ...CROSS, sourceHandle: 4 }),
  [STATUS.idptPermission]: () => run(interDomain({ read: 0 }), OPCODE.interDomainCopy, CROSS),
  [STATUS.windowRange]: () =>
    run(interDomain(), OPCODE.interDomainCopy, { ...CROSS, source: BigInt(S + 0xfff) }),
  [STATUS.updateWindowDenied]: () =>
    run(interDomain(), OPCODE.updateWindow, {
      windowBase: 0n,
      windowSize: 1n,
      windowEnable: 1,
      handle: 3,
    }),
  [STATUS.updateWindowFields]: () => {
    const driver = interDomain({ allowUpdate: 1, accessPasid: 1 });
    return run(driver, OPCODE.updateWindow, {
      windowBase: 0n,
      windowSize: 0n,
      windowEnable: 1,
      handle: 3,
    });
  },
  [STATUS.domainUnavailable]: () => {
    const driver = interDomain({ windowSize: 0x10_0000n });
    const words = descriptor(
      OPCODE.interDomainCopy,
      { ...CROSS, size: 0x4_0000, recordAddress: BigInt(AT) },
      RECORD,
    );
    driver.submit(0, words);
    // Something of the other address space keeps the abort busy meanwhile.
    driver.submit(
      1,
      descriptor(OPCODE.memoryMove, {
        ...MOVE,
        pasid: 9,
        source: 0x10_0000n,
        destination: 0x14_0000n,
        size: 0x4_0000,
      }),
      1,
    );
    driver.startCommand(COMMAND.abortPasid, 9);
    driver.run();
    return Number(driver.record(words)['status']);
  },
};

/** How each error without any descriptor comes about. */
export const DEVICE_ERROR_SCENARIOS: Readonly<Record<number, () => number>> = {
  [DEVICE_ERROR.configurationChange]: () => {
    const driver = plain();
    driver.device.configWrite(0x04, 2, 0b010);
    return readSoftwareError(driver).code;
  },
  [DEVICE_ERROR.commandWhileActive]: () => {
    const driver = plain();
    driver.startCommand(COMMAND.drainAll);
    driver.startCommand(COMMAND.drainAll);
    return readSoftwareError(driver).code;
  },
  [DEVICE_ERROR.wqFull]: () => {
    const driver = plain('v1', { size: 1 });
    driver.device.migration.pause(0);
    driver.submit(0, descriptor(OPCODE.noop));
    driver.submit(0, descriptor(OPCODE.noop));
    return readSoftwareError(driver).code;
  },
  [DEVICE_ERROR.eventLogAppend]: () => {
    const driver = logging();
    driver.port.translationStatus = COMPLETION.unsupportedRequest;
    return softwareError(driver, descriptor(OPCODE.memoryMove));
  },
};
