import { beforeEach, describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../../src-main/sim/isolation/guest-memory.ts';

const PAGE = 4096;
const GPA = 0x10_0000;
const HOST = 0x4000_0000;
const TABLE = 0x20_0000;

describe('memory of a VM from inside', () => {
  let guest: GuestMemory;

  const owner = (address: number): string | undefined =>
    guest.trespass(address, 'stranger', undefined)?.owner;

  beforeEach(() => {
    guest = new GuestMemory();
    guest.back({ gpa: GPA, address: HOST, bytes: 16 * PAGE });
    guest.tell('a', { op: 'own', address: GPA + PAGE, bytes: 2 * PAGE, owner: 'app' });
    guest.tell('a', { op: 'own', address: GPA + 4 * PAGE, bytes: PAGE, owner: 'kernel (ring)' });
  });

  it('names processes, pages of the kernel and pages of nobody', () => {
    expect(guest.trespass(HOST + PAGE, 'stranger', undefined)).toEqual({
      principal: 'VM a / process stranger',
      owner: 'VM a / process app',
    });
    expect(owner(HOST + 4 * PAGE)).toBe('VM a / kernel (ring)');
    expect(owner(HOST)).toBe('VM a / nobody (a free page)');
    expect(guest.trespass(HOST + 2 * PAGE, 'app', undefined)).toBeUndefined();
  });

  it('knows nothing of memory that is not behind the guest', () => {
    expect(owner(HOST + 16 * PAGE)).toBeUndefined();
    expect(owner(HOST - 1)).toBeUndefined();
  });

  it('follows a page that the host moves, and forgets one that it takes away', () => {
    const elsewhere = HOST + 2 ** 30;
    guest.back({ gpa: GPA + PAGE, address: elsewhere, bytes: PAGE });
    expect(owner(elsewhere)).toBe('VM a / process app');
    expect(owner(HOST + PAGE)).toBeUndefined();
    expect(owner(HOST + 2 * PAGE)).toBe('VM a / process app');
    guest.unback(GPA + 2 * PAGE, PAGE);
    expect(owner(HOST + 2 * PAGE)).toBeUndefined();
    expect(owner(HOST + 3 * PAGE)).toBe('VM a / nobody (a free page)');
    expect(owner(HOST)).toBe('VM a / nobody (a free page)');
  });

  it('tells by the top table whose a nested space is', () => {
    const space = { principal: 'app', domain: 'domain1', table: TABLE };
    const other = { ...space, principal: 'other' };
    const page = HOST + PAGE;
    expect(guest.trespass(page, undefined, TABLE)).toBeUndefined();
    guest.tell('a', { op: 'assign', rid: 0x18, pasid: 7, space: other });
    expect(guest.trespass(page, undefined, TABLE)?.principal).toBe('VM a / process other');
    // The table of a process that is gone serves the next one.
    guest.tell('a', { op: 'assign', rid: 0x18, pasid: 7, space });
    expect(guest.trespass(page, undefined, TABLE)).toBeUndefined();
    guest.tell('a', { op: 'assign', rid: 0x18, pasid: 7, space: undefined });
    expect(guest.trespass(HOST, undefined, TABLE)).toBeUndefined();
  });

  it('lets a space of the guest’s kernel reach what was lent to it, for as long', () => {
    const space = { principal: undefined, domain: 'domain2', table: TABLE };
    guest.tell('a', { op: 'assign', rid: 0x18, pasid: 0, space });
    const page = { domain: 'domain2', address: GPA + PAGE, bytes: PAGE };
    guest.tell('a', { op: 'lend', ...page });
    expect(guest.trespass(HOST + PAGE, undefined, TABLE)).toBeUndefined();
    expect(guest.trespass(HOST + 2 * PAGE, undefined, TABLE)).toEqual({
      principal: 'VM a / kernel (domain2)',
      owner: 'VM a / process app',
    });
    guest.tell('a', { op: 'take-back', ...page });
    expect(guest.trespass(HOST + PAGE, undefined, TABLE)?.owner).toBe('VM a / process app');
  });

  it('loses what the guest’s kernel said with the kernel, and keeps its memory', () => {
    guest.forget();
    expect(owner(HOST + PAGE)).toBe('VM a / nobody (a free page)');
  });

  it('takes over what the kernel of another VM said, and each keeps the memory behind it', () => {
    const elsewhere = HOST + 2 ** 30;
    const other = new GuestMemory();
    other.back({ gpa: GPA, address: elsewhere, bytes: 16 * PAGE });
    other.take(guest);
    expect(other.trespass(elsewhere + PAGE, 'stranger', undefined)).toEqual({
      principal: 'VM a / process stranger',
      owner: 'VM a / process app',
    });
    expect(other.trespass(HOST + PAGE, 'stranger', undefined)).toBeUndefined();
    expect(owner(HOST + PAGE)).toBe('VM a / nobody (a free page)');
    expect(owner(elsewhere + PAGE)).toBeUndefined();
  });

  it('is the same after a restore', () => {
    const copy = new GuestMemory();
    copy.restore(guest.snapshot());
    guest.tell('a', { op: 'disown', address: GPA + PAGE });
    expect(copy.trespass(HOST + PAGE, 'stranger', undefined)?.owner).toBe('VM a / process app');
    expect(owner(HOST + PAGE)).toBe('VM a / nobody (a free page)');
  });
});
