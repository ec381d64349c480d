/** Every pane over a machine at work: contents as decoded by the engine and drawn by the page, in a real browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium, openLabPage, type LabPage } from '../support/chromium.ts';
import { startSceneHost, type SceneHost } from '../support/scene/scene-host.ts';
import { SceneWindow } from '../support/scene/scene-window.ts';

let host: SceneHost;
let browser: Browser;
let lab: LabPage;
let window: SceneWindow;

beforeAll(async () => {
  host = await startSceneHost();
  browser = await launchChromium();
  lab = await openLabPage(browser, host.url);
  window = new SceneWindow(lab.page);
});

afterAll(async () => {
  await browser.close();
  await host.close();
});

it('plays the scene', async () => {
  await window.play();
  expect(await lab.page.getByTestId('run-state').textContent()).toContain('Finished');
});

describe('translation', () => {
  it('drills down from the root entry to a page of the process', async () => {
    const entry = await window.openNodes(
      'pasid-table',
      /Root entry, bus 6a/,
      /Context entry 6a:01\.0/,
      /PASIDs 0 to 63, table at 0x000001019000/,
      /PASID 2(?:changed)?first-stage/,
    );
    expect(await window.field(entry, 'PGTT')).toContain('1 (first stage)');
    const leaf = await window.openNodes(
      'pasid-table',
      /^PML4E 254/,
      /^PDPE 0/,
      /^PDE 0/,
      /^0x7f0000005000/,
    );
    expect(await window.field(leaf, 'US')).toMatch(/^1/);
    expect(await window.field(leaf, 'D')).toMatch(/^1/);
  });

  it('walks the last request, and names the fault', async () => {
    const pane = await window.view('page-walk');
    await expect
      .poll(() => pane.locator('.result').textContent())
      .toContain('Fault 59h: PASID table entry not present');
    expect(await pane.locator('.step').count()).toBe(4);
  });

  it('walks first stage against second stage', async () => {
    const pane = await window.view('nested-walk');
    await pane.locator('.nested').first().waitFor();
    expect(await pane.locator('.nested').count()).toBe(5);
    expect(await pane.locator('.nested').first().locator('li').count()).toBe(4);
    expect(await pane.locator('.result').innerText()).toContain('Translated');
  });

  it('marks stale entries of IOTLB, PASID cache and device TLB', async () => {
    for (const [view, column] of [
      ['iotlb', 2],
      ['device-tlb', 2],
    ] as const) {
      const stale = (await window.rows(view)).filter((row) => row.at(-1) === 'stale');
      expect(
        stale.map((row) => row[column]),
        view,
      ).toContain('0x7f4040201000');
    }
    const pasids = (await window.rows('pasid-cache')).filter((row) => row.at(-1) === 'stale');
    expect(pasids.map((row) => row[1])).toEqual(['3']);
    const contexts = await window.rows('context-cache');
    expect(contexts.map((row) => row[0])).toContain('6a:01.0');
    expect(contexts.every((row) => row.at(-1) === 'as in memory')).toBe(true);
  });

  it('shows registers with their fields', async () => {
    const register = await window.openRow('registers', 'RTADDR_REG');
    expect(await window.field(register, 'TTM')).toContain('1 (scalable)');
    const dsa = await window.openRow('device-registers', 'GENSTS');
    expect(await window.field(dsa, 'state')).toMatch(/1 \(enabled\)/);
  });

  it('keeps the fault that its handler cleared', async () => {
    const rows = await window.rows('fault-records', 'Recorded so far');
    expect(rows.map((row) => row.slice(1, 6))).toEqual([
      ['59h', 'PASID table entry not present', '6b:00.0', '9', 'read'],
    ]);
  });

  it('shows invalidations and page requests as they were asked', async () => {
    const queue = await window.rows('invalidation-queue');
    expect(queue.map((row) => row[2])).toContain('PASID-based Device-TLB Invalidate');
    const requests = await window.rows('page-request-queue');
    expect(requests.map((row) => row.at(-1))).toEqual(['taken', 'taken', 'taken']);
    const request = await window.openRow('page-request-queue', '0x7f0040001000');
    expect(await window.field(request, 'LPIG')).toMatch(/^1/);
    const journeys = await window.rows('page-requests');
    expect(journeys[0]?.[4]).toBe('invalid request: no area allows the access');
  });
});

describe('devices', () => {
  it('decodes descriptors and completion records', async () => {
    const rows = await window.rows('work-queues', 'Descriptors');
    expect(rows.map((row) => [row[0], row[2], row[5]])).toEqual([
      ['wq2', '5', '0x01 success'],
      ['wq3', '4', '0x01 success'],
      ['wq1', '3', '0x03 page fault'],
      ['wq1', '3', '0x01 success'],
      ['wq0', '2', '0x04 page request invalid'],
      ['wq0', '2', '0x01 success'],
    ]);
    const detail = await window.openRow('work-queues', '0x03 page fault');
    expect(await window.field(detail, 'opcode')).toContain('3 (Memory Move)');
    expect(await window.field(detail, 'status')).toContain('3 (page fault)');
    expect(await window.field(detail, 'faultAddress')).toContain('0x0000dead0000');
  });

  it('shows groups, engines and portals with their clients', async () => {
    expect(await window.rows('work-queues', 'Groups and engines')).toEqual([
      ['0', 'wq0', 'engine0'],
      ['1', 'wq1 wq3', 'engine1'],
      ['2', 'wq2', 'engine2'],
    ]);
    const portals = await window.rows('portals');
    expect(portals.filter((row) => row[0] === 'wq0').map((row) => row[4])).toEqual(
      Array.from({ length: 4 }, () => 'app'),
    );
  });

  it('leads from IMS entry to remapping entry, handler and posted descriptor', async () => {
    const messages = await window.rows('interrupts', 'Messages of devices');
    expect(messages[1]?.slice(0, 6)).toEqual([
      'dsa0',
      'IMS[1]',
      '0x0000fee00158',
      '0x0000',
      'IRTE 10',
      '5',
    ]);
    const entries = await window.rows('interrupts', 'Interrupt remapping table');
    expect(entries[10]?.slice(1, 3)).toEqual(['posted', 'present']);
    const posted = await window.openRow('posted-interrupts', 'vm0.vcpu0');
    expect(await window.field(posted, 'SN')).toMatch(/^0/);
  });

  it('lists configuration space as lspci does', async () => {
    const pane = await window.view('pci-config');
    await expect.poll(() => pane.innerText()).toContain('BusMaster+');
    const siov = await window.openNodes('pci-config', /Scalable IOV/);
    expect(await siov.innerText()).toContain('System Page Size');
  });

  it('shows rings, packets and the cost of both ways of sharing', async () => {
    const rings = await window.rows('rings');
    expect(rings.filter((row) => row[0] === 'qat0/rp1').map((row) => row[7])).toEqual([
      'halted',
      'halted',
    ]);
    expect((await window.rows('packets')).map((row) => [row[2], row[3], row[7]])).toEqual([
      ['nic0/qp0', 'nic0/qp1', 'delivered'],
    ]);
    expect((await window.rows('sharing-cost'))[0]).toEqual(['Tenants', '2', '2']);
  });

  it('counts what happened', async () => {
    const pane = await window.view('counters');
    await expect.poll(() => pane.innerText()).toMatch(/Translation faults/i);
    const requests = pane.locator('dl > div', { hasText: /^Page requests(?! invalid)/ }).first();
    expect(await requests.locator('dd').innerText()).toMatch(/3$/);
  });
});

describe('software', () => {
  it('shows a VDEV: composition, BAR map, exits, virtual configuration space', async () => {
    const pane = await window.view('vdev');
    await pane.getByTestId('param-filter').selectOption({ index: 1 });
    await expect.poll(() => pane.innerText()).toContain('used by vm0');
    const bars = await window.rows('vdev', 'Pages of the BARs');
    expect(bars.map((row) => [row[0], row[4]])).toEqual([
      ['BAR0', 'trapped'],
      ['BAR0', 'trapped'],
      ['BAR2', 'trapped'],
      ['BAR2', 'direct'],
    ]);
    const exits = await window.rows('vdev', 'VM exits that vm0 took for this device');
    expect(exits.map((row) => row[0])).toContain('30 I/O instruction');
    const command = await window.openNodes('vdev', /Command Register/);
    expect(await window.field(command, 'BME')).toMatch(/^1/);
  });

  it('shows file descriptors and the state each has reached', async () => {
    const states = await window.rows('vfio', 'States of a device file');
    expect(states.find((row) => row[0] === 'attached')?.[3]).toBe('dpdk:4, qemu-vm0:5, qemu:4');
  });

  it('shows domains with their mappings, and PASIDs with their owners', async () => {
    const domain = await window.openRow('domains', '6a:01.0 PASID 5');
    await expect.poll(() => domain.innerText()).toContain('DMA mappings');
    expect((await window.rows('ioasid', 'PASIDs')).find((row) => row[0] === '2')?.[1]).toBe('app');
  });

  it('shows sysfs down to the types of mediated devices', async () => {
    await window.openNodes(
      'sysfs',
      /^devices/,
      /^pci0000:6a/,
      /^0000:6a:01\.0/,
      /^mdev_supported_types/,
    );
    const file = await window.openNodes('sysfs', /^idxd-dsa-1dwq-v1/, /^device_api/);
    expect(await file.innerText()).toMatch(/device_api[\s\S]*Contents\s*vfio-pci/);
  });

  it('shows EPT slots and the walk of an address of the guest', async () => {
    const slots = await window.rows('ept', 'Memory slots');
    expect(slots.map((row) => row[4])).toEqual(['memory', 'memory', 'direct device page']);
    const pane = await window.view('ept');
    expect(await pane.locator('.result').innerText()).toContain('no exit');
  });

  it('shows who reaches which memory', async () => {
    const rows = await window.rows('isolation');
    expect(rows.find((row) => row[0] === 'app')?.slice(2, 6)).toEqual([
      '2',
      'P=1, PGTT first-stage, DID 1',
      '16 KiB',
      'alone',
    ]);
    const pane = await window.view('isolation');
    expect(await pane.innerText()).toContain('take a defence away');
  });

  it('shows memory at an address that is typed', async () => {
    const pane = await window.view('memory');
    await pane.getByTestId('param-address').fill('0x1000000');
    await lab.page.keyboard.press('Enter');
    await expect
      .poll(() => pane.locator('[data-testid] h2 + p, .titles p').first().textContent())
      .toBe('0x000001000000');
  });

  it('draws tenants, queues and their wires, and the same as a table', async () => {
    const pane = await window.view('topology');
    await pane.locator('.box').first().waitFor();
    await expect.poll(() => pane.locator('.wire[data-label="portal"]').count()).toBe(4);
    await pane.locator('.face[data-box^="mdev/"]', { hasText: '000002' }).focus();
    await expect.poll(() => pane.locator('.wire.is-strong text').allTextContents()).toHaveLength(1);
    await pane.getByRole('radio', { name: 'Table' }).click();
    const rows = await window.rows('topology');
    expect(rows.find((row) => row[1] === 'vm0')?.[0]).toBe('VM');
    await pane.getByRole('radio', { name: 'Picture' }).click();
  });
});

describe('the whole window', () => {
  it('selects a PASID everywhere', async () => {
    const iotlb = await window.view('iotlb');
    await iotlb.locator('[data-row]', { hasText: '0x7f4040200000' }).click();
    await expect.poll(() => lab.page.getByTestId('selection').innerText()).toContain('PASID');
    const tables = await window.view('pasid-table');
    await expect
      .poll(() => tables.locator('.node.is-selected').allInnerTexts())
      .toContainEqual(expect.stringContaining('PASID 4'));
    const queues = await window.view('work-queues');
    const selected = queues.locator('[data-row][aria-selected="true"]');
    await expect
      .poll(() => selected.allInnerTexts())
      .toEqual([
        expect.stringMatching(/wq3[\s\S]*dedicated/),
        expect.stringMatching(/wq3[\s\S]*Memory Move/),
      ]);
    await lab.page.keyboard.press('Escape');
  });

  it('marks what the step changed, and only that', async () => {
    const pane = await window.view('counters');
    await expect.poll(() => pane.locator('.is-changed').count()).toBeGreaterThan(3);
    await lab.page.getByTestId('timeline-back').click();
    await expect.poll(() => pane.locator('.is-changed').count()).toBeLessThan(3);
    await window.goLive();
  });

  it('decodes a field under the pointer and under the focus alike', async () => {
    const register = await window.openRow('registers', 'GSTS_REG');
    const inHand = register.locator('.in-hand');
    await register.locator('[role="option"]', { hasText: 'TES' }).hover();
    await expect.poll(() => inHand.innerText()).toMatch(/TES\s*\[31\]\s*Translation Enable Status/);
    await lab.page.mouse.move(0, 0);
    await register.locator('[role="option"][tabindex="0"]').focus();
    await lab.page.keyboard.press('Home');
    await expect
      .poll(() => inHand.innerText())
      .toMatch(/TES\s*\[31\][\s\S]*VT-d 5\.10 section 11\.4/);
    await lab.page.keyboard.press('ArrowRight');
    await expect.poll(() => inHand.innerText()).toMatch(/RTPS\s*\[30\]/);
  });

  it('moves through table, tree and picture by keyboard alone', async () => {
    const rows = await window.view('iotlb');
    await rows.locator('[data-row="0"]').focus();
    await lab.page.keyboard.press('ArrowDown');
    await expect
      .poll(() => lab.page.evaluate(() => document.activeElement?.getAttribute('data-row')))
      .toBe('1');
    await lab.page.keyboard.press('Enter');
    await expect.poll(() => rows.locator('[aria-selected="true"]').count()).toBeGreaterThan(0);
    await lab.page.keyboard.press('Enter');
    const picture = await window.view('topology');
    await picture.locator('.face[tabindex="0"]').focus();
    await lab.page.keyboard.press('End');
    await expect
      .poll(() => lab.page.evaluate(() => document.activeElement?.getAttribute('data-box')))
      .not.toBeNull();
  });

  it('shows the state before the kernel took a page request', async () => {
    const trace = await window.tool('trace');
    await trace.getByTestId('trace-filter').fill('page-request.queued');
    await expect.poll(() => trace.getByTestId('trace-row').count()).toBe(3);
    await window.goTo(await window.traceRow(0));
    await expect.poll(() => lab.page.getByTestId('selection').innerText()).toContain('event');
    const rows = await window.rows('page-request-queue');
    expect(rows.map((row) => row.at(-1))).toEqual(['waiting']);
    await window.goLive();
  });

  it('raised no error and asked nothing of the world outside', () => {
    expect(lab.problems).toEqual([]);
  });
});

describe('a machine that lacks a defence', () => {
  let undefended: SceneHost;
  let page: LabPage;

  beforeAll(async () => {
    undefended = await startSceneHost('breach');
    page = await openLabPage(browser, undefended.url);
  });

  afterAll(async () => {
    await page.context.close();
    await undefended.close();
  });

  it('has its breach marked: who touched whose page, and why nothing stopped it', async () => {
    const breached = new SceneWindow(page.page);
    await breached.play();
    const [row] = await breached.rows('isolation', 'Breaches');
    expect(row?.slice(2)).toEqual([
      'kernel (domain1)',
      'write',
      expect.stringMatching(/^0x/),
      'neighbour',
      '6a:01.0',
      'none',
    ]);
    const detail = await breached.openRow('isolation', 'neighbour');
    await expect.poll(() => detail.innerText()).toContain('translated already');
    expect(page.problems).toEqual([]);
  });
});
