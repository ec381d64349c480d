/** Every kind of trace record that adapter, crypto device and virtual functions declare is produced by something they do. */
import { describe, expect, it } from 'vitest';
import { eventCatalogue } from '../../../../src-main/spec/events/event.ts';
import { frameOf, macOf, NicDriver } from '../../../support/nic-driver.ts';
import { QatDriver } from '../../../support/qat-driver.ts';
import { kindsOf } from '../../../support/trace-records.ts';
import { enableVfs, SRIOV, SRIOV_AT } from '../../../support/vf-registers.ts';

const KINDS = eventCatalogue().filter(({ kind }) => /^(nic|qat|sriov)\./.test(kind));

function adapterLife(): readonly string[] {
  const nic = new NicDriver({ config: { queuePairs: 8, sriov: { totalVfs: 2 } } });
  nic.setUpFunction();
  nic.setUpPair(0, { pasid: 10, ims: 0 });
  nic.setUpPair(1, { pasid: 11, ims: 1 });
  nic.setDoorbell(1, 'DYN_CTL', 1);
  nic.send(0, frameOf(macOf(1), macOf(0)));
  nic.send(0, frameOf(macOf(9), macOf(0)));
  nic.send(0, frameOf(macOf(0), macOf(0)));
  nic.run();
  nic.setDoorbell(0, 'TX_TAIL', 500);
  nic.setContext(1, 'Q_RESET', 1);
  nic.device.configWrite(0x226, 2, 0);
  nic.setUpPair(2, { pasid: 12 });
  nic.setUpPair(3, { pasid: 13 });
  nic.port.breakPage(nic.rxBuffer(3, 0));
  nic.send(2, frameOf(macOf(3), macOf(2)));
  nic.run();
  return kindsOf(nic.trace);
}

function virtualLife(): readonly string[] {
  const nic = new NicDriver({ config: { queuePairs: 8, sriov: { firstOffset: 0xf7 } } });
  nic.setUpFunction();
  enableVfs(nic.device, 2);
  nic.device.configWrite(SRIOV_AT + SRIOV.numVfs, 2, 1);
  nic.device.configWrite(SRIOV_AT + SRIOV.control, 2, 0);
  return kindsOf(nic.trace);
}

function cryptoLife(): readonly string[] {
  const qat = new QatDriver({ ringPairs: 2 });
  qat.setUpPair(0, 10);
  qat.set(0, 0x16c, 2);
  qat.submit(0, { service: 0 });
  qat.run();
  qat.set(0, 0x100, 100);
  qat.run();
  qat.set(0, 0x1100, 1);
  return kindsOf(qat.trace);
}

describe('trace records', () => {
  const seen = new Set([...adapterLife(), ...virtualLife(), ...cryptoLife()]);

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
