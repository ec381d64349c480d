/** Virtual QAT devices: services, composition, work on the fast path, isolation, interrupts, reset and close. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENODEV } from '../../../../src-main/linux/errno.ts';
import type { EventfdFile } from '../../../../src-main/linux/core/eventfd.ts';
import type { QatVdev } from '../../../../src-main/linux/qat/vdcm/qat-vdev.ts';
import {
  CRYPTO_COMMAND,
  HASH_ALGORITHM,
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
  QatResponse,
  SERVICE,
} from '../../../../src-main/spec/qat/messages.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { closeVdev, GUEST_RAM, openVdev, type OpenVdev } from '../../../support/linux-idxd.ts';
import {
  available,
  bootSiov,
  create,
  createAndOpen,
  mappedWord,
  type SiovLab,
  type SiovOptions,
} from '../../../support/linux-siov.ts';
import { bytesOf } from '../../../support/qat-driver.ts';

const PROFILES = ['iommufd', 'kvmforum2019'] as const;
const BAR = { rings: 0, misc: 2, capabilities: 4, config: 7 } as const;
const SYM = 'vqat_sym';
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
/** Places in the memory of a guest. */
const PLACE = { requests: 0, responses: 0x1000, text: 0x2000, digest: 0x3000, content: 0x4000 };
/** SHA-256 of "abc", first eight bytes. */
const DIGEST = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
const REQUEST_BYTES = 128;

interface Tenant extends OpenVdev {
  readonly lab: SiovLab;
  readonly vdev: QatVdev;
  /** First page of the bank in the VMM. */
  readonly page: number;
}

function boot(options: SiovOptions = {}): SiovLab {
  return bootSiov('qat', { device: { ringPairs: 8 }, ...options });
}

function tenant(lab: SiovLab, n = 1, type = SYM): Tenant {
  const open = createAndOpen(lab, type, n);
  const vdev = defined(lab.kernel.qat.vdcm.vdevs.at(-1), 'VDEV');
  return { ...open, lab, vdev, page: open.user.mmap(open.fd, 0) };
}

function put({ user, memory }: OpenVdev, at: number, bytes: Uint8Array): void {
  user.process.mm.write(memory + at, bytes);
}

function take({ user, memory }: OpenVdev, at: number, bytes: number): Uint8Array {
  return user.process.mm.read(memory + at, bytes) as Uint8Array;
}

function fast(of: Tenant, offset: number): ReturnType<typeof mappedWord> {
  return mappedWord(of, of.page + offset);
}

function configure(of: OpenVdev, offset: number, value: number): number {
  return of.user.writeValue(of.fd, BAR.rings, 0x1000 + offset, 4, value);
}

/** Places both rings and turns them on. */
function start(of: Tenant): void {
  put(of, PLACE.responses, new Uint8Array(1024).fill(0x7f));
  configure(of, 0x000, 6);
  configure(of, 0x004, 4);
  configure(of, 0x040, GUEST_RAM + PLACE.requests);
  configure(of, 0x044, GUEST_RAM + PLACE.responses);
  fast(of, 0x19c).write(3);
}

/** SHA-256 of three bytes at `source`; responses fill slots in order. */
function hash(of: Tenant, slot = 0, source = GUEST_RAM + PLACE.text): void {
  put(
    of,
    PLACE.content,
    bytesOf(QatContentHeader.encode({ hashAlgorithm: HASH_ALGORITHM.sha256 })),
  );
  const request = QatRequest.encode({
    valid: 1,
    service: SERVICE.crypto,
    command: CRYPTO_COMMAND.auth,
    contentDescriptor: BigInt(GUEST_RAM + PLACE.content),
    contentQuads: 1,
    source: BigInt(source),
    length: 3,
  });
  const at = PLACE.requests + slot * REQUEST_BYTES;
  put(of, at, bytesOf(request));
  const parameters = QatCryptoParameters.encode({
    digest: BigInt(GUEST_RAM + PLACE.digest),
    digestBytes: 32,
  });
  put(of, at + 64, bytesOf(parameters));
  fast(of, 0x100).write((slot + 1) * REQUEST_BYTES);
  of.lab.kernel.core.advance(100_000);
}

function response(of: OpenVdev, slot = 0): ReturnType<typeof QatResponse.decode> {
  const bytes = take(of, PLACE.responses + slot * 32, 32);
  return QatResponse.decode(new Uint32Array(bytes.slice().buffer));
}

function pasidWord({ vdev }: Tenant): number {
  return vdev.pair.config.words(0x108, 1)[0] ?? -1;
}

describe('services of ring pairs', () => {
  it('row 13: decide how many devices of each type there are', () => {
    const lab = boot();
    const counts = (): readonly number[] =>
      ['vqat_sym', 'vqat_asym', 'vqat_dc'].map((type) => available(lab, type));
    expect(counts()).toEqual([4, 4, 0]);
    expect(create(lab, 'vqat_dc', 1)).toBe(-ENODEV);
    const file = `${lab.dev.path}/qat/cfg_services`;
    for (const wrong of ['', 'pke', 'sym;sym', 'sym;asym;dc']) {
      expect(lab.kernel.sysfs.write(file, wrong)).toBe(-EINVAL);
    }
    expect(lab.kernel.sysfs.write(file, 'sym;dc\n')).toBeGreaterThan(0);
    expect([lab.kernel.sysfs.read(file), counts()]).toEqual(['sym;dc', [4, 0, 4]]);
    create(lab, 'vqat_dc', 1);
    expect(counts()).toEqual([4, 0, 3]);
    expect(lab.kernel.qat.vdcm.vdevs.map((v) => v.pair.index)).toEqual([1]);
    expect(lab.kernel.sysfs.write(file, 'dc')).toBe(-EBUSY);
    const path = defined(lab.kernel.mdev.devices[0], 'mdev').path;
    lab.kernel.sysfs.write(`${path}/remove`, '1');
    expect(lab.kernel.sysfs.write(file, 'dc')).toBeGreaterThan(0);
    expect(counts()).toEqual([0, 0, 8]);
  });

  it('are found out with the entries of the message store by what the device shows', () => {
    for (const imsEntries of [0, 1, 300]) {
      const lab = boot({ device: { ringPairs: 3, imsEntries } });
      const [qat] = lab.kernel.qat.devices;
      expect([qat?.pairs.length, qat?.imsEntries]).toEqual([3, imsEntries]);
    }
  });
});

describe.each(PROFILES)('virtual QAT devices, %s', (profile) => {
  it('show a device of their service, without Scalable IOV', () => {
    const lab = boot({ profile });
    const ids = [SYM, 'vqat_asym'].map((type, i) => {
      const open = createAndOpen(lab, type, i + 1);
      const config = (at: number, bytes: number): number =>
        open.user.readValue(open.fd, BAR.config, at, bytes);
      expect(config(0, 4)).toBe(0x0da5_8086);
      expect(config(8, 4)).toBe(0x0b40_0002);
      expect([config(0x42, 2), config(0x44, 4), config(0x48, 4)]).toEqual([1, 0x8002, 0x8802]);
      expect(config(0x100, 4)).toBe(0);
      const capabilities = open.user.readValue(open.fd, BAR.capabilities, 0, 4);
      expect(config(0x2e, 2)).toBe(capabilities);
      return capabilities;
    });
    expect(ids).toEqual([0, 1]);
  });

  it('row 21: lend the first page of their bank, and trap the second', () => {
    const lab = boot({ profile });
    const of = tenant(lab);
    const { buffer, values } = of.user.regionInfo(of.fd, 0, 32 + 16 + 16);
    const view = new DataView(buffer.buffer);
    expect([values.size, view.getUint32(40, true), view.getBigUint64(48, true)]).toEqual([
      0x2000n,
      1,
      0n,
    ]);
    const sizes = [1, 2, 3, 4].map((i) => of.user.regionInfo(of.fd, i).values.size);
    expect(sizes).toEqual([0n, 0x2_0000n, 0n, 0x1000n]);
    expect(of.user.process.mm.table.translate(of.page)).toBe(of.vdev.pair.fast);
    expect(of.user.mmap(of.fd, 0x1000)).toBe(-EINVAL);
    expect(of.user.mmap(of.fd, 2 * 2 ** 40)).toBe(-EINVAL);
    expect(of.user.mmap(of.fd, 0, 4096, 2)).toBe(-EINVAL);
  });

  it('row 42: work without software in the way', () => {
    const lab = boot({ profile });
    const of = tenant(lab);
    start(of);
    put(of, PLACE.text, new TextEncoder().encode('abc'));
    const before = of.vdev.accesses;
    hash(of);
    expect(response(of)).toMatchObject({ valid: 1 });
    expect([...take(of, PLACE.digest, 8)]).toEqual(DIGEST);
    expect(of.vdev.accesses).toBe(before);
    const pasids = lab
      .rows('iommu.request.translated', 'pcie.translation.received')
      .filter((r) => r.values['rid'] === lab.dev.rid && r.values['type'] !== 2);
    expect(new Set(pasids.map((r) => r.values['pasid']))).toEqual(
      new Set([of.vdev.pasids.default]),
    );
  });

  it('do not reach each other: a request outside its own memory halts its own ring pair', () => {
    const lab = boot({ profile });
    const [first, second] = [tenant(lab, 1), tenant(lab, 2)];
    [first, second].forEach(start);
    expect(pasidWord(first)).not.toBe(pasidWord(second));
    hash(first, 0, 0x4000_0000);
    expect([...take(first, PLACE.digest, 8)]).not.toEqual(DIGEST);
    put(second, PLACE.text, new TextEncoder().encode('abc'));
    hash(second);
    expect([...take(second, PLACE.digest, 8)]).toEqual(DIGEST);
  });

  it('hide PASID and vector, and take no writes between registers', () => {
    const lab = boot({ profile });
    const of = tenant(lab);
    const word = pasidWord(of);
    expect(word >>> 31).toBe(1);
    expect(of.user.readValue(of.fd, BAR.rings, 0x1108, 4)).toBe(0);
    expect(of.user.readValue(of.fd, BAR.rings, 0x110c, 4)).toBe(0);
    configure(of, 0x108, 0x8000_0001);
    configure(of, 0x10c, 0x1_0005);
    configure(of, 0x300, 1);
    expect(pasidWord(of)).toBe(word);
    expect(of.user.write(of.fd, BAR.rings, 0x1108, new Uint8Array(8).fill(0xff))).toBe(8);
    expect(pasidWord(of)).toBe(word);
    expect(of.user.writeValue(of.fd, BAR.rings, 0x1000, 2, 1)).toBe(-EFAULT);
    of.user.writeValue(of.fd, BAR.capabilities, 0, 4, 7);
    expect(of.user.readValue(of.fd, BAR.capabilities, 0, 4)).toBe(0);
    of.user.writeValue(of.fd, BAR.misc, 4, 4, 3);
    expect(of.user.readValue(of.fd, BAR.misc, 4, 4)).toBe(3);
  });

  it('interrupt through an entry of the message store', () => {
    const lab = boot({ profile });
    const of = tenant(lab);
    start(of);
    const fds = [0, 1].map(() => lab.kernel.calls.eventfd(of.user.process));
    expect(of.user.setIrqs(of.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds)).toBe(0);
    const file = of.user.process.files.get(defined(fds[1], 'eventfd')) as EventfdFile;
    fast(of, 0x16c).write(2);
    put(of, PLACE.text, new TextEncoder().encode('abc'));
    hash(of);
    expect(file.total).toBe(1);
    of.user.writeValue(of.fd, BAR.misc, 0x801c, 4, 1);
    fast(of, 0x170).write(2);
    fast(of, 0xc4).write(32);
    hash(of, 1);
    expect([file.total, of.user.readValue(of.fd, BAR.misc, 0x8800, 4)]).toEqual([1, 2]);
    of.user.writeValue(of.fd, BAR.misc, 0x801c, 4, 0);
    lab.kernel.core.advance(10_000);
    expect(file.total).toBe(2);
    closeVdev(of);
    expect(lab.kernel.qat.devices[0]?.ims?.used).toBe(0);
  });

  it('reset by the guest’s register and by function level reset, PASID kept', () => {
    const lab = boot({ profile });
    const [of, sibling] = [tenant(lab, 1), tenant(lab, 2)];
    [of, sibling].forEach(start);
    const word = pasidWord(of);
    configure(of, 0x100, 1);
    expect(of.user.readValue(of.fd, BAR.rings, 0x1104, 4)).toBe(1);
    configure(of, 0x104, 1);
    expect(of.user.readValue(of.fd, BAR.rings, 0x1104, 4)).toBe(0);
    expect([fast(of, 0x19c).read(), fast(sibling, 0x19c).read()]).toEqual([0, 3]);
    start(of);
    of.user.writeValue(of.fd, BAR.config, 4, 2, 6);
    of.user.writeValue(of.fd, BAR.config, 0x58, 2, 0x8000);
    expect([fast(of, 0x19c).read(), of.user.readValue(of.fd, BAR.config, 4, 2)]).toEqual([0, 0]);
    expect(pasidWord(of)).toBe(word);
    start(of);
    of.user.writeValue(of.fd, BAR.config, 4, 2, 6);
    of.user.writeValue(of.fd, BAR.config, 4, 2, 2);
    expect(fast(of, 0x19c).read()).toBe(0);
  });

  it('leave nothing behind when they are closed', () => {
    const lab = boot({ profile });
    const of = tenant(lab);
    const image = (open: OpenVdev): readonly unknown[] => [
      open.user.read(open.fd, BAR.config, 0, 0x100),
      open.user.read(open.fd, BAR.rings, 0x1000, 0x100),
      open.user.read(open.fd, BAR.misc, 0, 8),
      open.user.read(open.fd, BAR.misc, 0x8000, 0x20),
    ];
    const pristine = image(of);
    start(of);
    of.user.writeValue(of.fd, BAR.misc, 4, 4, 3);
    of.user.writeValue(of.fd, BAR.misc, 0x8000, 4, 0xfee0_0000);
    of.user.writeValue(of.fd, BAR.config, 4, 2, 6);
    expect(image(of)).not.toEqual(pristine);
    const { process } = of.user;
    [of.fd, ...of.others].forEach((fd) => of.user.close(fd));
    // The mapping outlives the descriptor and holds the file; the device is closed with it.
    expect(fast(of, 0x19c).read()).toBe(3);
    closeVdev(of);
    expect(pasidWord(of)).toBe(0);
    expect(process.mm.translate(of.page, true)).toBe(-EFAULT);
    const next = openVdev(lab, { uuid: of.vdev.uuid }, 'next');
    expect(image(next)).toEqual(pristine);
  });
});

describe('a virtual QAT device without an address space', () => {
  it('has no page: not before the first one is attached, and not after it went', () => {
    const lab = boot();
    const of = tenant(lab);
    start(of);
    expect(of.user.detach(of.fd)).toBe(0);
    expect([pasidWord(of), fast(of, 0x19c).read()]).toEqual([0, -EFAULT]);
    expect(of.user.readValue(of.fd, BAR.rings, 0x19c, 4)).toBe(0);
    const [iommufd = -1] = of.others;
    const ioas = of.user.ioas(iommufd);
    of.user.ioasMap(iommufd, ioas, of.memory, GUEST_RAM, of.pages * 4096);
    expect(of.user.attach(of.fd, ioas).rc).toBe(0);
    start(of);
    put(of, PLACE.text, new TextEncoder().encode('abc'));
    hash(of);
    expect([...take(of, PLACE.digest, 8)]).toEqual(DIGEST);
  });

  it('gets no page when other code refuses to name it', () => {
    const lab = boot();
    lab.kernel.qat.vdcm.hooks.override({ wq_enable: () => 1 });
    const of = tenant(lab);
    expect([pasidWord(of), fast(of, 0x19c).read()]).toEqual([0, -EFAULT]);
    expect(lab.kernel.rmmod('qat_4xxx')).toBe(-EAGAIN);
    closeVdev(of);
    expect(lab.kernel.rmmod('qat_4xxx')).toBe(0);
    expect(lab.kernel.core.publishedKeys('qat/')).toEqual([]);
    expect(lab.kernel.sysfs.exists(`${lab.dev.path}/qat`)).toBe(false);
  });
});
