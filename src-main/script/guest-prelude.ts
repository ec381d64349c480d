/**
 * The guest side of the border: a script evaluated before any learner code, so that it holds the built-ins as they were
 * made, whatever the learner does to them later. Its functions are handed to the host; nothing becomes a global but
 * `console` and the seeded `Math.random`.
 */

/** File name of our own guest code in stacks. */
export const PRELUDE_FILE = '<lab>';
/** Module through which instrumented code reaches the hooks. Learner code cannot import it. */
export const HOOKS_MODULE = 'lab:hooks';
/** Global that carries the hooks from the prelude to the hooks module; gone before learner code starts. */
export const BOOT_GLOBAL = '__lab_boot';

/** Learners' stacks are cut after so many frames. */
const STACK_FRAMES = 30;
/** Enough to reach the calling statement: the helper, the host function, and a native caller such as `forEach`. */
const NEAR_FRAMES = 4;

/** An expression whose value is a function from the boot object to the helpers below. */
export const PRELUDE_SOURCE = `(function (boot, seed) {
  'use strict';
  const { apply } = Reflect;
  const {
    create, freeze, preventExtensions,
    getOwnPropertyDescriptor: describe, defineProperty: define,
  } = Object;
  const isError = Error.isError;
  const PlainError = Error;
  const uncurry = (fn) => (self, ...args) => apply(fn, self, args);

  // Stacks: our limit holds, and guest code can neither change it nor reformat them.
  const setLimit = describe(Error, 'stackTraceLimit').set;
  const getStack = describe(Error.prototype, 'stack').get;
  const { bind, call } = Function.prototype;
  const bound = (fn, ...args) => apply(bind, call, [fn, ...args]);
  const limitToNear = bound(setLimit, Error, ${String(NEAR_FRAMES)});
  const limitToAll = bound(setLimit, Error, ${String(STACK_FRAMES)});
  const stackOf = bound(getStack);
  limitToAll();
  define(Error, 'stackTraceLimit', { value: ${String(STACK_FRAMES)}, writable: false, configurable: false });
  define(Error, 'prepareStackTrace', { value: undefined, writable: false, configurable: false });
  const stack = () => stackOf(new PlainError());
  const nearStack = () => {
    limitToNear();
    const error = new PlainError();
    limitToAll();
    return stackOf(error);
  };

  // Where something that is not an Error was thrown last.
  let thrown, thrownAt = -1;
  const noteThrow = (value, id) => {
    if (!isError(value)) {
      thrown = value;
      thrownAt = id;
    }
    return value;
  };

  // xoshiro128** (public domain), seeded by the run.
  const state = new Uint32Array(4);
  for (let i = 0, x = seed >>> 0; i < 4; i++) {
    x = (x + 0x9e3779b9) >>> 0;
    let z = x;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = z ^ (z >>> 16);
  }
  const { imul } = Math;
  const rotate = (x, k) => (x << k) | (x >>> (32 - k));
  const next32 = () => {
    const result = imul(rotate(imul(state[1], 5), 7), 9) >>> 0;
    const t = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotate(state[3], 11);
    return result;
  };
  define(Math, 'random', {
    value: function random() {
      return ((next32() >>> 5) * 67108864 + (next32() >>> 6)) / 9007199254740992;
    },
    writable: true,
    configurable: true,
  });
  delete globalThis.SharedArrayBuffer;

  const mapEntries = uncurry(Map.prototype.entries);
  const setValues = uncurry(Set.prototype.values);
  const nextOfMap = uncurry(mapEntries(new Map()).next);
  const nextOfSet = uncurry(setValues(new Set()).next);
  const take = (iterator, next, limit, push) => {
    const list = [];
    for (let i = 0; i < limit; i++) {
      const step = next(iterator);
      if (step.done) break;
      push(list, step.value);
    }
    return list;
  };
  const append = (list, value) => define(list, list.length, { value, writable: true, enumerable: true, configurable: true });
  const mapSize = uncurry(describe(Map.prototype, 'size').get);
  const setSize = uncurry(describe(Set.prototype, 'size').get);
  const regExpSource = uncurry(describe(RegExp.prototype, 'source').get);
  const regExpFlags = ['hasIndices d', 'global g', 'ignoreCase i', 'multiline m', 'dotAll s', 'unicode u', 'unicodeSets v', 'sticky y']
    .map((flag) => flag.split(' '))
    .map(([name, letter]) => ({ letter, isSet: uncurry(describe(RegExp.prototype, name).get) }));
  const regExpText = (value) => {
    let text = '/' + regExpSource(value) + '/';
    for (let i = 0; i < regExpFlags.length; i++) {
      if (regExpFlags[i].isSet(value)) text += regExpFlags[i].letter;
    }
    return text;
  };
  const symbolText = uncurry(Symbol.prototype.toString);
  const toStringTag = Symbol.toStringTag;
  const ObjectPrototype = Object.prototype;
  const { buffer: bufferOf, byteOffset: offsetOf, byteLength: lengthOf } = Object.fromEntries(
    ['buffer', 'byteOffset', 'byteLength'].map((name) => [name, uncurry(describe(DataView.prototype, name).get)]),
  );
  const Bytes = Uint8Array;

  const instances = create(null);
  const hooks = {
    enter: boot.enter,
    probe: boot.probe,
    register: boot.register,
    noteThrow,
    instance: (key) => instances[key],
  };

  return {
    hooks,
    stack,
    nearStack,
    /** The site of a thrown value that is not an Error, or -1. */
    thrownAt: (value) => (value === thrown || (value !== value && thrown !== thrown) ? thrownAt : -1),
    defineInstance: (key, exports) => { instances[key] = freeze(exports); },
    defineGlobal: (name, value) =>
      define(globalThis, name, { value, writable: true, enumerable: false, configurable: true }),
    makeType: (name) => define(create(ObjectPrototype), toStringTag, { value: name }),
    defineAccessor: (type, name, get, set) =>
      define(type, name, { get, set, enumerable: true, configurable: false }),
    defineMethod: (type, name, value) =>
      define(type, name, { value, writable: false, enumerable: true, configurable: false }),
    makeObject: (type) => preventExtensions(create(type)),
    /** Up to so many [key, value] pairs of a Map, flat, after its size. */
    mapParts: (map, limit) => {
      const parts = take(mapEntries(map), nextOfMap, limit, (list, pair) => {
        append(list, pair[0]);
        append(list, pair[1]);
      });
      return { size: mapSize(map), parts };
    },
    setParts: (set, limit) => ({ size: setSize(set), parts: take(setValues(set), nextOfSet, limit, append) }),
    /** What a DataView shows, as a typed array on the same memory. */
    bytesOfView: (view) => new Bytes(bufferOf(view), offsetOf(view), lengthOf(view)),
    regExpText,
    symbolText: (value) => symbolText(value),
  };
})`;

/** Source of the hooks module: short names, because each hook spells them. */
export const HOOKS_SOURCE = `const{hooks}=globalThis.${BOOT_GLOBAL};
export const h=hooks.enter,p=hooks.probe,r=hooks.register,t=hooks.noteThrow,m=hooks.instance;`;
