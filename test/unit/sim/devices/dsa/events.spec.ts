/** Every trace record of the accelerator and of PCIe functions comes about, and reads well. */
import { describe, expect, it } from 'vitest';
import * as dsaEvents from '../../../../../src-main/spec/events/dsa.ts';
import * as pcieEvents from '../../../../../src-main/spec/events/pcie.ts';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { IdptEntry } from '../../../../../src-main/spec/dsa/inter-domain.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import type { WqMigrationState } from '../../../../../src-main/sim/devices/dsa/wq-migration.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const KINDS = [...Object.values(dsaEvents), ...Object.values(pcieEvents)];
const MOVE = { source: 0x1_0000n, destination: 0x8_0000n, size: 64, recordAddress: 0x2000n };

function collect(driver: DsaDriver): readonly string[] {
  driver.run();
  return driver.allRecords().map((record) => record.kind);
}

function busyLife(): readonly string[] {
  const driver = new DsaDriver().setUp([
    { ...DEDICATED, blockOnFault: 1, occupancyInterruptEnable: 1 },
    SHARED,
  ]);
  driver.write(0x400, 8 | (1 << 12));
  driver.write(0x200c, 0);
  driver.port.unmap(1, 0x1_0000);
  driver.submit(
    0,
    descriptor(OPCODE.memoryMove, { ...MOVE }, RECORD | FLAG.blockOnFault | FLAG.requestInterrupt),
  );
  driver.submit(0, descriptor(OPCODE.drain, { recordAddress: 0x3000n }, RECORD));
  driver.run(50_000);
  driver.port.map(1, 0x1_0000);
  driver.device.pageResponse(1, 0, 0);
  driver.device.pageResponse(1, 9, 0);
  driver.device.atsInvalidate({
    itag: 0,
    pasid: 1,
    isGlobal: false,
    high: 0,
    low: 0,
    sizeShift: 64,
  });
  const fenced = descriptor(OPCODE.noop, {}, FLAG.fence);
  [descriptor(0x3f), fenced].forEach((member, i) => {
    driver.fill(0x6_0000 + i * 64, new Uint8Array(member.buffer));
  });
  driver.submit(0, descriptor(OPCODE.batch, { list: 0x6_0000n, count: 2 }));
  driver.submit(1, descriptor(OPCODE.noop), 0, 'posted');
  driver.submit(0, descriptor(OPCODE.noop), 0, 'deferrable');
  driver.run();
  driver.device.migration.pause(1);
  driver.submit(1, descriptor(OPCODE.noop, { pasid: 3 }));
  driver.device.migration.withdraw(1);
  const saved = driver.device.migration.save(1) as WqMigrationState;
  driver.command(COMMAND.abortPasid, 3);
  driver.device.migration.restore(1, saved);
  driver.device.migration.resume(1);
  driver.run();
  driver.command(COMMAND.enableWq, 0);
  driver.command(COMMAND.resetWq, 1);
  driver.command(COMMAND.disableWq, 2);
  driver.write(0x80, 0);
  driver.read(0x12);
  driver.device.configWrite(0x00, 4, 1);
  driver.command(COMMAND.disableDevice);
  return collect(driver);
}

function badLife(): readonly string[] {
  const driver = new DsaDriver({ config: { interruptHandles: 2 } }).setUp([DEDICATED], {
    ats: false,
    pri: false,
  });
  driver.port.breakPage(0x8_0000);
  driver.execute(descriptor(OPCODE.memoryMove, MOVE, RECORD));
  driver.device.revokeInterruptHandles();
  driver.device.configWrite(0x04, 2, 0);
  driver.device.reset('function-level');
  return collect(driver);
}

function sharedLife(): readonly string[] {
  const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp();
  const entry = IdptEntry.encode({ usable: 1, allowUpdate: 1, accessPasid: 1 });
  entry.forEach((_, i) => {
    driver.write(driver.table(5) + 4 * (7 - i), entry[7 - i] as number);
  });
  driver.command(COMMAND.requestIdptHandle, 0);
  driver.submit(0, descriptor(OPCODE.updateWindow, { windowSize: 1n, windowEnable: 1 }));
  return collect(driver);
}

describe('trace records', () => {
  const seen = new Set([...busyLife(), ...badLife(), ...sharedLife()]);

  it.each(KINDS.map((kind) => [kind.kind]))('%s is produced', (kind) => {
    expect(seen).toContain(kind);
  });

  it.each(KINDS.map((kind) => [kind.kind, kind] as const))(
    '%s teaches in whole sentences',
    (_, kind) => {
      expect(kind.meaning).toMatch(/^[A-Z0-9].*\.$/);
      expect(kind.template).not.toMatch(/\.$/);
    },
  );
});
