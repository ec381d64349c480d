/** Every row of the fault tables, produced through tables and registers: VT-d 5.10 sections 7.1.1 to 7.1.3 and 7.2.1. */
import { describe, expect, it } from 'vitest';
import { ACCESS } from '../../../../src-main/sim/iommu/first-stage-walk.ts';
import {
  REQUEST_CLASSES,
  type FaultResponse,
  type RequestClass,
} from '../../../../src-main/spec/vtd/fault-reasons/fault-reason.ts';
import { faultReason, isFaultRecorded } from '../../../../src-main/spec/vtd/faults.ts';
import {
  FAULT_SCENARIOS,
  type FaultScenario,
  type Met,
} from '../../../support/iommu-fault-scenarios.ts';
import {
  CA,
  OUTPUT,
  PASID,
  RID,
  RID_PASID,
  SUCCESS,
  TranslatingUnit,
  UR,
  hasPasid,
  hpaOf,
  type Outcome,
} from '../../../support/iommu-setup.ts';

const STATUS: Readonly<Record<FaultResponse, number>> = {
  UR,
  CA,
  S0: SUCCESS,
  Seff: SUCCESS,
  /** Page response Invalid Request. */
  IR: 1,
};
const FPD = 2n;
const STRUCTURES: readonly Met[] = ['context', 'directory', 'entry'];
const ADDRESS_TYPE_FIELD: Readonly<Record<RequestClass, number>> = {
  U: 0,
  UP: 0,
  T: 1,
  TP: 1,
  X: 2,
  XP: 2,
  P: 0,
};

function classesOf({ mnemonic, classes }: FaultScenario): readonly RequestClass[] {
  const { responses } = faultReason(mnemonic);
  return classes ?? REQUEST_CLASSES.filter((c) => responses[c] !== null);
}

function damaged(scenario: FaultScenario, requestClass: RequestClass): TranslatingUnit {
  const unit = new TranslatingUnit(scenario.setup);
  scenario.damage?.(unit, requestClass);
  return unit;
}

function silence(unit: TranslatingUnit, structure: Met, requestClass: RequestClass): void {
  const pasid = hasPasid(requestClass) ? PASID : RID_PASID;
  const at = {
    none: unit.contextAt,
    context: unit.contextAt,
    directory: unit.directory,
    entry: unit.tables.pasidEntryOf(unit.directory, pasid),
  }[structure];
  unit.tables.patch(at, FPD);
}

function expectedRecord(
  scenario: FaultScenario,
  requestClass: RequestClass,
  unit: TranslatingUnit,
): Record<string, number | bigint> {
  const { request = {} } = scenario;
  const isTranslated = requestClass === 'X' || requestClass === 'XP';
  const address = request.address ?? (isTranslated ? unit.output : unit.input);
  const type =
    requestClass === 'P' ? 0b01 : ([0b10, 0b00, 0b11] as const)[request.kind ?? ACCESS.read];
  const isWithPasid = hasPasid(requestClass);
  return {
    FR: faultReason(scenario.mnemonic).code,
    SID: RID,
    FI: address & ~0xfffn,
    T1: type >> 1,
    T2: type & 1,
    AT: ADDRESS_TYPE_FIELD[requestClass],
    PP: isWithPasid ? 1 : 0,
    PV: isWithPasid ? (request.pasid ?? PASID) : 0,
    PRIV: isWithPasid && request.isPrivileged === true ? 1 : 0,
    EXE: isWithPasid && request.isExecute === true ? 1 : 0,
    F: 1,
  };
}

function expectResponse(scenario: FaultScenario, response: FaultResponse, outcome: Outcome): void {
  expect(outcome.status).toBe(STATUS[response]);
  const { answer } = outcome;
  if (response === 'S0') {
    expect([answer.canRead, answer.canWrite]).toEqual([false, false]);
  }
  if (response === 'Seff') {
    expect({ canRead: answer.canRead, canWrite: answer.canWrite }).toEqual(scenario.rights);
  }
}

const CASES = FAULT_SCENARIOS.flatMap((scenario, i) =>
  classesOf(scenario).map((requestClass) => ({
    name: `${scenario.mnemonic} (${i}) for ${requestClass}`,
    scenario,
    requestClass,
    response: faultReason(scenario.mnemonic).responses[requestClass],
  })),
);

describe('a unit without damage', () => {
  it.each(['first', 'second', 'nested', 'pass'] as const)('lets every class pass: %s', (walk) => {
    const unit = new TranslatingUnit({ walk, ...(walk === 'pass' ? { input: OUTPUT } : {}) });
    for (const requestClass of REQUEST_CLASSES) {
      const { status, answer } = unit.request(requestClass);
      expect([requestClass, status]).toEqual([
        requestClass,
        requestClass === 'P' ? 'queued' : SUCCESS,
      ]);
      if (requestClass !== 'P') {
        expect(hpaOf(answer)).toBe(unit.output);
      }
    }
    expect(unit.bench.records()).toEqual([]);
  });

  it('lets every class of legacy mode pass', () => {
    const unit = new TranslatingUnit({ isLegacy: true });
    for (const requestClass of ['U', 'T', 'X'] as const) {
      expect(unit.request(requestClass).status).toBe(SUCCESS);
      expect(hpaOf(unit.bench.unit.answer)).toBe(unit.output);
    }
  });
});

describe.each(CASES)('fault $name', ({ scenario, requestClass, response }) => {
  const reason = faultReason(scenario.mnemonic);

  it('gets the answer and the record of the table', () => {
    if (response === null) {
      throw new Error(`${scenario.mnemonic} cannot meet ${requestClass}`);
    }
    const unit = damaged(scenario, requestClass);
    const outcome = unit.request(requestClass, scenario.request);
    expectResponse(scenario, response, outcome);
    const records = unit.bench.records();
    if (isFaultRecorded(reason, requestClass)) {
      expect(records).toHaveLength(1);
      expect(records[0]).toMatchObject(expectedRecord(scenario, requestClass, unit));
    } else {
      expect(records).toEqual([]);
    }
  });
});

const RECORDED = CASES.filter(({ scenario, requestClass }) =>
  isFaultRecorded(faultReason(scenario.mnemonic), requestClass),
);

describe('FPD of any structure met silences qualified faults and no others', () => {
  it.each(RECORDED)('$name', ({ scenario, requestClass, response }) => {
    const reason = faultReason(scenario.mnemonic);
    const count = STRUCTURES.indexOf(scenario.met) + 1;
    const met = count === 0 ? STRUCTURES.slice(0, 1) : STRUCTURES.slice(0, count);
    for (const structure of met) {
      const unit = damaged(scenario, requestClass);
      silence(unit, structure, requestClass);
      const outcome = unit.request(requestClass, scenario.request);
      expectResponse(scenario, response ?? 'UR', outcome);
      const isSilent = reason.isQualified && count > 0;
      expect([structure, unit.bench.records().length]).toEqual([structure, isSilent ? 0 : 1]);
    }
  });
});

describe('page requests that meet a fault', () => {
  it('are dropped when they are not the last of their group', () => {
    const unit = new TranslatingUnit({ context: { PRE: 0 } });
    unit.bench.pageRequest(RID, { address: unit.input, pasid: PASID, isLastInGroup: false });
    expect(unit.bench.responses).toEqual([]);
    expect(unit.bench.records()).toHaveLength(1);
  });
});
