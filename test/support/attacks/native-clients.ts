/** What processes do with queues of an accelerator in attacks: moves, good work, pages with something in them. */
import { FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { wqAt, type IdxdLab } from '../linux-idxd.ts';
import { anonymous, lazyMove, PAGE, statusOf, type SvaApp } from '../linux-sva.ts';

const SECRET = 0x53;
/** Longer than any of these moves takes, with its page faults. */
const SPAN_NS = 10_000_000;
/** Record of good work: attacks use the ones before it. */
const OWN_RECORD = 9;

/** A move as the queue takes it: it waits at missing pages where the queue can. */
export function moveFor(
  lab: IdxdLab,
  app: SvaApp,
  plan: NonNullable<Parameters<typeof lazyMove>[1]>,
): Uint32Array {
  const words = lazyMove(app, plan);
  if (!wqAt(lab, 0).config.block_on_fault) {
    words[1] = ((words[1] ?? 0) & ~FLAG.blockOnFault) >>> 0;
  }
  return words;
}

/** Submits in the way of the queue and waits; what the instruction said. */
export function submit(lab: IdxdLab, app: SvaApp, words: Uint32Array): string {
  const { instructions, core } = lab.kernel;
  const result = wqAt(lab, 0).isDedicated
    ? instructions.movdir64b(app.process, app.portal, words)
    : instructions.enqcmd(app.process, app.portal, words);
  core.advance(SPAN_NS);
  return result;
}

/** A copy inside one's own memory, from a page that holds something to one that is there. */
export function copiesOwn(lab: IdxdLab, app: SvaApp): boolean {
  app.process.mm.write(app.memory, new Uint8Array([SECRET]));
  app.process.mm.write(app.memory + PAGE, new Uint8Array([0]));
  app.process.mm.write(app.records + OWN_RECORD * 64, new Uint8Array(32));
  submit(lab, app, moveFor(lab, app, { at: OWN_RECORD }));
  const copied = app.process.mm.read(app.memory + PAGE, 1);
  return (
    statusOf(app, OWN_RECORD) === STATUS.success &&
    typeof copied !== 'number' &&
    copied[0] === SECRET
  );
}

/** An anonymous page of a process, filled. */
export function filledPage(lab: IdxdLab, app: SvaApp): number {
  const address = anonymous(lab, app.process, 1, true);
  app.process.mm.write(address, new Uint8Array([1]));
  return address;
}
