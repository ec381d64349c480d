/**
 * What the `checks.ts` of a lab may import, and all of it: checks as data, questions about a finished run, the declarations
 * of the structures they ask about.
 */
export { toHex } from '../../bits/hex.ts';
export { NO_PASID } from '../../spec/events/event.ts';
export { EXTENDED_CAPABILITY_ID } from '../../spec/pcie/capability-id.ts';
export { formatBdf, parseBdf } from '../../spec/pcie/requester-id.ts';
export { SIOV_CAPABILITIES, SIOV_DVSEC_ID, SIOV_DVSEC_VENDOR } from '../../spec/siov/dvsec.ts';
export { PasidTableEntry, PGTT } from '../../spec/vtd/pasid-table-entry.ts';
export { OPCODE } from '../../spec/dsa/operations.ts';
export { STATUS, STATUS_NAMES } from '../../spec/dsa/status-codes.ts';
export { WQ_MODE, WQ_STATE } from '../../spec/dsa/wq-config.ts';
export { PORTAL_PAGE_NAMES, PORTAL_SHIFT, WQ_PORTALS_SHIFT } from '../../spec/dsa/portals.ts';
export { PlainRecord } from '../../spec/dsa/descriptor.ts';
export { check, defineChecks, type Check, type CheckKind } from './check.ts';
export type { Device, FoundCapability } from './devices.ts';
export { events } from './event-kinds.ts';
export type { FoundStructure } from './found-structure.ts';
export type { Translation } from './page-tables.ts';
export type { Program, ProgramArea } from './program.ts';
export type { PlainObject, Report, RunFacts, SoftwareFacts } from './run-facts.ts';
export type { FoundContext, FoundPasidEntry, Tables } from './tables.ts';
export type { AnyRecord, RecordOf, ScriptLine, TraceQuery, Where } from './trace-query.ts';
export type { Answers, Mismatch, Verdict } from './verdict.ts';
export type { ViewLink } from '../../protocol/views.ts';
