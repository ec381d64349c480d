/** A machine with an accelerator, its driver loaded and its queues configured as an administrator would. */
import type { DsaConfig } from '../../src-main/sim/devices/dsa/config.ts';
import type { DeviceConfig } from '../../src-main/sim/index.ts';
import type { IdxdDevice } from '../../src-main/linux/idxd/idxd-device.ts';
import type { IdxdVdev } from '../../src-main/linux/idxd/vdcm/vdev.ts';
import type { IdxdWq } from '../../src-main/linux/idxd/wq.ts';
import type { PciDev } from '../../src-main/linux/pci/pci-dev.ts';
import { parseBdf } from '../../src-main/linux/pci/pci-scan.ts';
import { AnyDescriptor } from '../../src-main/spec/dsa/descriptor.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { MoveDescriptor } from '../../src-main/spec/dsa/operation-descriptors.ts';
import { OPCODE } from '../../src-main/spec/dsa/operations.ts';
import { VFIO_EXTENSIONS as E } from '../../src-main/spec/vfio/ioctl-numbers.ts';
import { bootLab, type Lab, type LabOptions } from './linux-machine.ts';
import { VfioUser } from './linux-vfio.ts';

export const DSA_BDF = '6a:01.0';
const DSA_PATH = `bus/dsa/devices`;

export function dsaDevice(options: DsaConfig = {}, bdf = DSA_BDF): DeviceConfig {
  return {
    kind: 'dsa',
    name: `dsa-${bdf.replace(/[:.]/g, '-')}`,
    bdf,
    options: options as Readonly<Record<string, unknown>>,
  };
}

export interface WqPlan {
  readonly mode: 'shared' | 'dedicated';
  readonly type: 'user' | 'kernel' | 'mdev';
  readonly size?: number;
  readonly threshold?: number;
  readonly priority?: number;
  readonly group?: number;
  readonly enable?: boolean;
}

export interface IdxdLab extends Lab {
  readonly dev: PciDev;
  readonly idxd: IdxdDevice;
  readonly wqs: readonly IdxdWq[];
  sysfsWrite(path: string, text: string): number;
  sysfsRead(path: string): string | number;
}

/** What configuring and opening need of a lab; a kernel without a machine at hand will do. */
export type IdxdHost = Omit<IdxdLab, 'machine' | 'hw' | 'rows' | 'rowsFrom'>;

export type IdxdOptions = LabOptions & {
  readonly dsa?: DsaConfig;
  readonly wqs?: readonly WqPlan[];
};

function must(result: number, what: string): void {
  if (result < 0) {
    throw new Error(`${what}: ${result}`);
  }
}

/** Writes one queue's files in the order accel-config does. */
export function configureWq(lab: IdxdHost, wq: IdxdWq, plan: WqPlan): void {
  const put = (name: string, value: string | number): void =>
    must(lab.sysfsWrite(`${DSA_PATH}/${wq.name}/${name}`, String(value)), `${wq.name}/${name}`);
  put('group_id', plan.group ?? 0);
  put('size', plan.size ?? 16);
  put('mode', plan.mode);
  put('type', plan.type);
  put('name', `${plan.type}-${wq.id}`);
  put('priority', plan.priority ?? 10);
  if (plan.mode === 'shared') {
    put('threshold', plan.threshold ?? Math.max(1, (plan.size ?? 16) - 1));
  }
}

export function bootIdxd(options: IdxdOptions = {}): IdxdLab {
  const { dsa = {}, wqs = [], ...rest } = options;
  const lab = bootLab({
    devices: [dsaDevice(dsa)],
    ...rest,
    params: { modules: ['idxd'], ...rest.params },
  });
  const dev = lab.kernel.pci.deviceAt(parseBdf(DSA_BDF));
  const idxd = dev === undefined ? undefined : lab.kernel.idxd.deviceOf(dev);
  if (dev === undefined || idxd === undefined) {
    throw new Error('No accelerator');
  }
  const made: IdxdLab = {
    ...lab,
    dev,
    idxd,
    wqs: idxd.wqs,
    sysfsWrite: (path, text) => lab.kernel.sysfs.write(path, text),
    sysfsRead: (path) => lab.kernel.sysfs.read(path),
  };
  enablePlans(made, wqs);
  return made;
}

export function enablePlans(lab: IdxdHost, plans: readonly WqPlan[]): void {
  if (plans.length === 0) {
    return;
  }
  const groups = new Set(plans.map((p) => p.group ?? 0));
  [...groups].forEach((group, i) => {
    must(lab.sysfsWrite(`${DSA_PATH}/engine0.${i}/group_id`, String(group)), 'engine');
  });
  plans.forEach((plan, i) => configureWq(lab, wqAt(lab, i), plan));
  must(lab.sysfsWrite('bus/dsa/drivers/idxd/bind', 'dsa0'), 'device enable');
  plans.forEach((plan, i) => {
    if (plan.enable !== false) {
      must(lab.sysfsWrite('bus/dsa/drivers/dsa/bind', wqAt(lab, i).name), `wq0.${i} enable`);
    }
  });
}

export function wqAt(lab: IdxdHost, index: number): IdxdWq {
  const wq = lab.wqs[index];
  if (wq === undefined) {
    throw new Error(`No queue ${index}`);
  }
  return wq;
}

/** Type directory of the accelerator's mediated devices. */
export function typePath(lab: IdxdHost, type: string): string {
  return `${lab.dev.path}/mdev_supported_types/idxd-${type}`;
}

export function uuidOf(n: number): string {
  return `83b8f4f2-509f-382f-3c1e-${n.toString(16).padStart(12, '0')}`;
}

export function createVdev(lab: IdxdHost, type: string, n = 1): IdxdVdev {
  const uuid = uuidOf(n);
  must(lab.sysfsWrite(`${typePath(lab, type)}/create`, uuid), `create ${type}`);
  const vdev = lab.kernel.idxd.vdcm.find(uuid);
  if (vdev === undefined) {
    throw new Error('No VDEV');
  }
  return vdev;
}

export interface OpenVdev {
  readonly user: VfioUser;
  readonly fd: number;
  /** What must be closed besides the device: container and group, or the iommufd. */
  readonly others: readonly number[];
  /** Memory of the user at the same IOVA as its address. */
  readonly memory: number;
  readonly pages: number;
}

const MEMORY_IOVA = 0x10_0000;
export const GUEST_RAM = MEMORY_IOVA;

/** Opens a VDEV in the way of the profile and maps some pages at GUEST_RAM. */
export function openVdev(
  lab: Pick<Lab, 'kernel'>,
  vdev: { readonly uuid: string },
  name = 'qemu',
  pages = 16,
): OpenVdev {
  const user = new VfioUser(lab.kernel, name);
  const memory = user.memory(pages);
  const bytes = pages * 4096;
  if (lab.kernel.core.profile === 'kvmforum2019') {
    const { container, group, device } = user.openByGroup(vdev.uuid, E.VFIO_TYPE1v2_IOMMU);
    must(user.mapDma(container, memory, MEMORY_IOVA, bytes), 'MAP_DMA');
    must(device, 'GET_DEVICE_FD');
    return { user, fd: device, others: [group, container], memory, pages };
  }
  const iommufd = user.open('/dev/iommu');
  const fd = user.open(user.cdevOf(vdev.uuid));
  must(user.bind(fd, iommufd).rc, 'BIND');
  const ioas = user.ioas(iommufd);
  must(user.ioasMap(iommufd, ioas, memory, MEMORY_IOVA, bytes), 'IOAS_MAP');
  must(user.attach(fd, ioas).rc, 'ATTACH');
  return { user, fd, others: [iommufd], memory, pages };
}

/** As a VMM that ends: mappings hold files, so they go first. */
export function closeVdev(open: OpenVdev): void {
  const { mm } = open.user.process;
  for (const area of mm.areas.filter((a) => a.isDevice)) {
    open.user.kernel.calls.munmap(open.user.process, area.vm_start, area.vm_end - area.vm_start);
  }
  [open.fd, ...open.others].forEach((fd) => open.user.close(fd));
}

export interface MovePlan {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly record: number;
  readonly pasid?: number;
  readonly handle?: number;
}

/** A Memory Move with completion record, and an interrupt when a handle is given. */
export function moveWords(plan: MovePlan): Uint32Array {
  const head = AnyDescriptor.encode({ pasid: plan.pasid ?? 0 });
  const words = MoveDescriptor.encode({
    opcode: OPCODE.memoryMove,
    recordAddressValid: 1,
    requestRecord: 1,
    recordAddress: BigInt(plan.record),
    source: BigInt(plan.from),
    destination: BigInt(plan.to),
    size: plan.bytes,
    ...(plan.handle === undefined ? {} : { requestInterrupt: 1, interruptHandle: plan.handle }),
  });
  words[0] = head[0] ?? 0;
  return words;
}

export function bytesOfWords(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

export const BAR = { registers: 0, portals: 2, config: 7 } as const;

const CMD_OFFSET = 0xa0;
const CMDSTATUS_OFFSET = 0xa8;
const COMMAND_REGISTER = 4;

/** Memory decoding and bus mastering, as a guest's firmware and driver switch them on. */
export function becomeMaster(open: OpenVdev): void {
  open.user.writeValue(open.fd, BAR.config, COMMAND_REGISTER, 2, 6);
}

/** Gives a command as the guest does: its error code and result. */
export function vdevCommand(
  open: OpenVdev,
  code: number,
  operand = 0,
): { readonly error: number; readonly result: number } {
  const value = ((code << 20) | operand) >>> 0;
  open.user.writeValue(open.fd, BAR.registers, CMD_OFFSET, 4, value);
  const status = open.user.readValue(open.fd, BAR.registers, CMDSTATUS_OFFSET, 4);
  return { error: status & 0xff, result: (status >>> 8) & 0xffff };
}

/** Bus mastering, Enable Device, Enable WQ. */
export function startVdev(open: OpenVdev): void {
  becomeMaster(open);
  must(-vdevCommand(open, COMMAND.enableDevice).error, 'Enable Device');
  must(-vdevCommand(open, COMMAND.enableWq).error, 'Enable WQ');
}

/** Address in the VMM where a portal page of the VDEV is mapped, or a negative error number. */
export function mapPortal(open: OpenVdev, page: 0 | 1): number {
  return open.user.mmap(open.fd, BAR.portals * 2 ** 40 + page * 4096);
}

/** Completion status at an offset of the user's memory, 0 while there is none. */
export function statusAt(open: OpenVdev, offset: number): number {
  const bytes = open.user.process.mm.read(open.memory + offset, 1);
  return typeof bytes === 'number' ? bytes : (bytes[0] ?? 0);
}
