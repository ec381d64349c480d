/**
 * Every unit with state can give it away as plain data and take it back. `restore(snapshot())` is the identity, and the
 * data never shares mutable parts with the unit. Plain data means: numbers, strings, booleans, arrays, typed arrays and
 * objects of these, so that state hashes and structured clone work on it.
 */
export interface Snapshotable<S> {
  snapshot(): S;
  restore(state: S): void;
}
