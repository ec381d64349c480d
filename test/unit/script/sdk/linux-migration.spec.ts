import { describe, expect, it } from 'vitest';
import { reportsOf, runScript } from '../../../support/linux-script.ts';
import { CREATE_VDEV, PLUG_VDEV, VDEV_UUID, vdevMachine } from '../../../support/vdev-script.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;

const IMPORTS = `
import { vfio_mig_get_next_state, vdev_migration_state, vdev_enter_migration_state, mig_file_out, mig_file_in, mig_file_data,
  mig_pack, mig_unpack, vdev_unmap_portals, vdev_map_portals, vdev_host_pasids, vdev_enqcmds, vdev_save_registers,
  vdev_load_registers, vdev_start_queue, vdev_restore_ims, vdev_int_handle, vdev_revoke_int_handles,
  VFIO_DEVICE_STATE_ERROR, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP_COPY,
  VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_PRE_COPY } from 'linux/migration';
import { vdcm_set_ops, vdcm_vdevs, vdev_translate_pasid } from 'linux/vdcm';
import { start_vm, plug, boot, run_in, migration_state, set_migration_state, read_migration_data,
  write_migration_data, exits_during } from 'lab/vm';
import { pci_devices } from 'linux/pci';
import { idxd_from_pci, idxd_on_int_handles_revoked, idxd_submit_desc } from 'linux/idxd';
import { EAGAIN, EBUSY } from 'linux/errno';
import { dsa_hw_desc, DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR } from 'uapi/idxd';
import { alloc_pages, read, write, advance } from 'hw';
import { report } from 'lab/oracle';
`;

const GUEST = `${IMPORTS}${CREATE_VDEV}${PLUG_VDEV}
const [dev] = vdcm_vdevs();
boot(vm, { modules: ['idxd'] });
run_in(vm, () => queue('kernel'));
const idxd = run_in(vm, () => idxd_from_pci(pci_devices()[0]!)!);
function copy(): { readonly run: () => number; readonly status: () => number } {
  const page = run_in(vm, () => alloc_pages(1));
  const desc = dsa_hw_desc({ opcode: DSA_OPCODE_MEMMOVE, flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
    src_addr: page, dst_addr: page + 64, xfer_size: 4, completion_addr: page + 128 });
  return {
    run: () => run_in(vm, () => idxd_submit_desc(idxd.wqs[0]!, desc)),
    status: () => run_in(vm, () => { advance(100_000); return read(page + 128, 1)[0] ?? 0; }),
  };
}
`;

describe('linux/migration', () => {
  it('tells the next state on the way, and where none leads', () => {
    const reports = reportsOf(`${IMPORTS}
report('step', vfio_mig_get_next_state(VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP) === VFIO_DEVICE_STATE_RUNNING_P2P);
report('there', vfio_mig_get_next_state(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP));
report('forbidden', vfio_mig_get_next_state(VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_PRE_COPY));
report('error', vfio_mig_get_next_state(VFIO_DEVICE_STATE_ERROR, VFIO_DEVICE_STATE_RUNNING));
report('unknown', vfio_mig_get_next_state(VFIO_DEVICE_STATE_RUNNING, 99));
`);
    expect(reports).toEqual({ step: true, there: 1, forbidden: -22, error: -22, unknown: -22 });
  });

  it('packs pieces and takes them apart again, and nothing else', () => {
    const reports = reportsOf(`${IMPORTS}
const packed = mig_pack([Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]);
report('pieces', mig_unpack(packed).map((piece) => '[' + piece.join() + ']').join());
report('short', mig_unpack(packed.slice(0, -1)).length);
report('stump', mig_unpack(packed.slice(0, 2)).length);
report('none', mig_unpack(new Uint8Array(0)).length);
`);
    expect(reports).toEqual({ pieces: '[1,2],[],[3]', short: 0, stump: 0, none: 0 });
  });

  it.each([
    [
      'a state that does not exist',
      'vdev_enter_migration_state(dev!, 8);',
      'one of VFIO_DEVICE_STATE_*',
    ],
    ['half a descriptor', 'vdev_enqcmds(dev!, new Uint8Array(32), 0);', '64 bytes'],
    ['something else for a stream', 'mig_file_data(dev! as never);', 'a migration file'],
  ])('refuses %s', (_what, line, text) => {
    const { outcome } = runScript(`${GUEST}\n${line}`, vdevMachine());
    expect(outcome.kind).toBe('failed');
    expect(JSON.stringify(outcome)).toContain(text);
  });
});

describe.each(PROFILES)('linux/migration, %s', (profile) => {
  it('lets a script carry out the states of a device, and hold back what is stored meanwhile', () => {
    const reports = reportsOf(
      `${GUEST}
const waiting: Uint8Array[] = [];
const pasids: number[] = [];
const states: number[] = [];
vdcm_set_ops({
  submit: (vdev, pasid, desc) => {
    pasids.push(pasid);
    if (waiting.length > 0) return -EAGAIN;
    waiting.push(desc);
    return 0;
  },
  migration_set_state: (vdev, target) => {
    states.push(target);
    if (target === VFIO_DEVICE_STATE_PRE_COPY) {
      vdev_unmap_portals(vdev);
      vdev_enter_migration_state(vdev, target);
      return mig_file_out(vdev, Uint8Array.of(7, 8, 9), true);
    }
    if (target !== VFIO_DEVICE_STATE_RUNNING) return -EBUSY;
    waiting.splice(0).forEach((desc) => vdev_enqcmds(vdev, desc, vdev_translate_pasid(vdev, 0)));
    vdev_map_portals(vdev);
    vdev_enter_migration_state(vdev, target);
    return null;
  },
});
report('running', migration_state(vdev));
report('refused', set_migration_state(vdev, VFIO_DEVICE_STATE_STOP));
report('unchanged', migration_state(vdev) === VFIO_DEVICE_STATE_RUNNING && vdev_migration_state(dev!) === VFIO_DEVICE_STATE_RUNNING);
report('pre-copy', set_migration_state(vdev, VFIO_DEVICE_STATE_PRE_COPY));
const data = read_migration_data(vdev);
report('data', typeof data === 'number' ? data : data.join());
const [held, late] = [copy(), copy()];
held.run();
report('held', held.status());
report('waiting', waiting.length + ' of ' + waiting[0]?.length + ' bytes, PASID ' + pasids[0]);
report('pasids', vdev_host_pasids(dev!).includes(dev!.default_pasid));
report('resumed', set_migration_state(vdev, VFIO_DEVICE_STATE_RUNNING));
report('done', held.status());
late.run();
late.status();
report('direct', JSON.stringify(exits_during(vm, () => { copy().run(); })));
report('states', states.join());
vdcm_set_ops({});
report('built in', set_migration_state(vdev, VFIO_DEVICE_STATE_STOP_COPY));
report('again', set_migration_state(vdev, VFIO_DEVICE_STATE_PRE_COPY));
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      running: 2,
      refused: -16,
      unchanged: true,
      'pre-copy': 0,
      data: '7,8,9',
      held: 0,
      waiting: '1 of 64 bytes, PASID 0',
      pasids: true,
      resumed: 0,
      done: 1,
      direct: '{}',
      states: '1,6,2',
      'built in': 0,
      again: -22,
    });
  });

  it('saves and restores what the guest has written, and takes no other for it', () => {
    const reports = reportsOf(
      `${GUEST}
const saved = vdev_save_registers(dev!);
report('same', vdev_load_registers(dev!, saved));
report('off', vdev_start_queue(dev!));
report('nothing', vdev_load_registers(dev!, new Uint8Array(0)));
report('short', vdev_load_registers(dev!, saved.slice(0, -4)));
report('long', vdev_load_registers(dev!, Uint8Array.from([...saved, 0, 0, 0, 0])));
const other = saved.slice();
other[28] = 0x78;
report('another type', vdev_load_registers(dev!, other));
const after = copy();
after.run();
report('works', after.status());
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      same: 0,
      off: 0,
      nothing: -22,
      short: -22,
      long: -22,
      'another type': -22,
      works: 1,
    });
  });

  it('keeps the stream of a device that is written, and tells a guest that its handles are void', () => {
    const reports = reportsOf(
      `${GUEST}
let told = 0;
run_in(vm, () => idxd_on_int_handles_revoked(idxd, () => { told += 1; }));
report('handles', vdev_int_handle(dev!, 0) + ' and ' + (vdev_int_handle(dev!, 1) >= 0));
vdev_restore_ims(dev!);
vdev_revoke_int_handles(dev!);
run_in(vm, () => advance(10_000));
report('told', told);
const files: ReturnType<typeof mig_file_in>[] = [];
vdcm_set_ops({
  migration_set_state: (vdev, target) => {
    vdev_enter_migration_state(vdev, target);
    const file = mig_file_in(vdev);
    files.push(file);
    return file;
  },
});
report('resuming', set_migration_state(vdev, VFIO_DEVICE_STATE_RESUMING));
report('written', write_migration_data(vdev, Uint8Array.of(4, 5)));
report('more', write_migration_data(vdev, Uint8Array.of(6)));
report('kept', mig_file_data(files[0]!).join());
report('kind', files[0]!.is_pre_copy);
report('uuid', dev!.uuid === '${VDEV_UUID}');
`,
      vdevMachine(profile),
    );
    expect(reports).toEqual({
      handles: '-28 and true',
      told: 1,
      resuming: 0,
      written: 2,
      more: 1,
      kept: '4,5,6',
      kind: false,
      uuid: true,
    });
  });
});
