/** Nested translation as a VMM sets it up for a guest's own page table, and cached entries that memory no longer supports. */
import { defined } from '../../../src-main/bits/invariant.ts';
import { encodeBytes } from '../../../src-main/linux/core/user-argument.ts';
import { IS_ERR } from '../../../src-main/linux/errno.ts';
import { COMMAND } from '../../../src-main/spec/dsa/commands.ts';
import { WqConfig } from '../../../src-main/spec/dsa/wq-config.ts';
import { FirstStage4KLeaf } from '../../../src-main/spec/paging/first-stage-entry.ts';
import { IOMMUFD_FLAGS as IF } from '../../../src-main/spec/vfio/ioctl-numbers.ts';
import { IommuHwptVtdS1 } from '../../../src-main/spec/vfio/iommufd-structures.ts';
import {
  BAR,
  becomeMaster,
  createVdev,
  GUEST_RAM,
  mapPortal,
  moveWords,
  openVdev,
  vdevCommand,
  type IdxdHost,
  type OpenVdev,
} from '../linux-idxd.ts';

const PAGE = 4096;
const GUEST_PASID = 101;
const WQCFG_MODE_WORD = 0x508;
/** Four tables behind the guest's pages, one of each level. */
const TABLES = 12;
/** A guest virtual address whose index is 0xfe, 0x101, 1, 0 from level 4 down. */
export const NESTED_GVA = 0x7f40_4020_0000;
const LONG_NS = 1_000_000;

interface GuestTables {
  readonly top: number;
  readonly leafAt: (page: number) => number;
}

/** Page tables of the guest in its own memory: eight pages at NESTED_GVA. */
function writeGuestTables(open: OpenVdev): GuestTables {
  const put = (table: number, index: number, target: number, isUsed: number): void => {
    const words = FirstStage4KLeaf.encode({
      P: 1,
      RW: 1,
      US: 1,
      A: isUsed,
      ADDR: BigInt(GUEST_RAM + target * PAGE),
    });
    open.user.process.mm.write(
      open.memory + table * PAGE + index * 8,
      new Uint8Array(words.buffer),
    );
  };
  const indexes = [39, 30, 21].map((bit) => Math.floor(NESTED_GVA / 2 ** bit) % 512);
  indexes.forEach((index, level) => put(TABLES + level, index, TABLES + level + 1, 0));
  for (let page = 0; page < 8; page++) {
    put(TABLES + 3, page, page, 0);
  }
  return {
    top: GUEST_RAM + TABLES * PAGE,
    leafAt: (page) => open.memory + (TABLES + 3) * PAGE + page * 8,
  };
}

/** A VDEV whose guest PASID is bound to the guest's page table under the VMM's nest parent. */
export function nestedScene(host: IdxdHost): OpenVdev {
  const { kernel } = host;
  const open = openVdev(host, createVdev(host, 'dsa-1dwq-v1', 3), 'qemu');
  const tables = writeGuestTables(open);
  const { user, fd } = open;
  const configure = (at: number, value: number): number =>
    user.writeValue(fd, BAR.config, at, 2, value);
  configure(0x106, 0x8000);
  configure(0x126, 0x5);
  configure(0x114, 0x1);
  becomeMaster(open);
  vdevCommand(open, COMMAND.enableDevice);
  user.detach(fd);
  const iommufd = defined(open.others[0], 'iommufd');
  const vfio = defined(
    kernel.vfio.devices.find((v) => v.isCdevOpen && v.name.endsWith('3')),
    'VFIO device',
  );
  const devid = defined(kernel.iommufd.attachments.binding(vfio), 'Binding').device.id;
  const ioas = user.ioas(iommufd);
  user.ioasMap(iommufd, ioas, open.memory, GUEST_RAM, open.pages * PAGE);
  const parent = user.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT });
  const argument = user.memory(1);
  const data = encodeBytes(IommuHwptVtdS1, { pgtbl_addr: BigInt(tables.top), addr_width: 48 });
  user.process.mm.write(argument, data);
  const nested = user.hwpt(iommufd, devid, parent.id, {
    flags: IF.IOMMU_HWPT_ALLOC_PASID,
    data_type: IF.IOMMU_HWPT_DATA_VTD_S1,
    data_len: IommuHwptVtdS1.bytes,
    data_uptr: BigInt(argument),
  });
  const { rc } = user.attach(fd, nested.id, GUEST_PASID);
  if (IS_ERR(rc)) throw new Error(`attach of nested page table ${nested.id}: ${rc}`);
  const mode = WqConfig.encode({ mode: 1, pasidEnable: 1, pasid: GUEST_PASID })[2] ?? 0;
  user.writeValue(fd, BAR.registers, WQCFG_MODE_WORD, 4, mode);
  vdevCommand(open, COMMAND.enableWq);
  const portal = mapPortal(open, 0);
  const words = moveWords({
    from: NESTED_GVA,
    to: NESTED_GVA + PAGE,
    bytes: 64,
    record: NESTED_GVA + 2 * PAGE,
  });
  kernel.instructions.movdir64b(user.process, portal, words);
  kernel.core.advance(LONG_NS);
  return open;
}

/** The guest moves a page without invalidating; the host edits a PASID entry likewise. */
export function staleScene(host: IdxdHost, nested: OpenVdev, vdevPasid: number): void {
  const { kernel, dev } = host;
  const leaf = FirstStage4KLeaf.encode({
    P: 1,
    RW: 1,
    US: 1,
    A: 1,
    D: 1,
    ADDR: BigInt(GUEST_RAM + 9 * PAGE),
  });
  const at = nested.memory + (TABLES + 3) * PAGE + 8;
  nested.user.process.mm.write(at, new Uint8Array(leaf.buffer));
  const info = defined(kernel.iommu.driver?.info(dev), 'Device info');
  const address = defined(info.pasidTable ?? undefined, 'PASID table').entryAddress(vdevPasid);
  const second = kernel.core.hw.memoryRead64(address + 8);
  kernel.core.hw.memoryWrite64(address + 8, (second & ~0xffffn) | 0x77n);
}
