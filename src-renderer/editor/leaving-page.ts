/**
 * A page that is left or reloaded drops what its workers still load, and the browser reports that as their failure. Those
 * reports say nothing: the page is going. All others reach Monaco.
 */
let isLeaving = false;

/** A page whose leaving was cancelled stays; so does one that comes back from the browser's cache. */
const STILL_HERE_MS = 2_000;

addEventListener('beforeunload', () => {
  isLeaving = true;
  setTimeout(() => {
    isLeaving = false;
  }, STILL_HERE_MS);
});
addEventListener('pagehide', () => {
  isLeaving = true;
});
addEventListener('pageshow', () => {
  isLeaving = false;
});

/** To be called before anybody else listens to the worker. */
export function ignoreErrorsOfLeaving<W extends EventTarget>(worker: W): W {
  worker.addEventListener('error', (event) => {
    if (!isLeaving) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  return worker;
}
