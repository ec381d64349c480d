/** Ends a subscription. */
export interface Disposable {
  dispose(): void;
}

/** A two-way pipe for messages, whatever carries them. Messages keep their order. */
export interface Channel {
  send(message: unknown): void;
  /** One listener; messages that arrived before it are delivered to it. */
  onMessage(listener: (message: unknown) => void): Disposable;
  /** Called once, at once when the channel is closed already. */
  onClose(listener: () => void): Disposable;
  close(): void;
}

interface End {
  readonly channel: Channel;
  deliver(message: unknown): void;
  finish(): void;
}

/** The listener bookkeeping that every channel needs: queue before the listener, close once. */
export function createChannelEnd(outlet: { send(message: unknown): void; close(): void }): End {
  const early: unknown[] = [];
  const closeListeners = new Set<() => void>();
  let listener: ((message: unknown) => void) | null = null;
  let isClosed = false;

  const finish = (): void => {
    if (isClosed) return;
    isClosed = true;
    for (const onClose of [...closeListeners]) onClose();
    closeListeners.clear();
  };

  const channel: Channel = {
    send: (message) => {
      if (!isClosed) outlet.send(message);
    },
    onMessage: (next) => {
      listener = next;
      for (const message of early.splice(0)) next(message);
      return {
        dispose: () => {
          if (listener === next) listener = null;
        },
      };
    },
    onClose: (next) => {
      if (isClosed) next();
      else closeListeners.add(next);
      return { dispose: () => void closeListeners.delete(next) };
    },
    close: () => {
      if (isClosed) return;
      outlet.close();
      finish();
    },
  };

  return {
    channel,
    deliver: (message) => {
      if (isClosed) return;
      if (listener === null) early.push(message);
      else listener(message);
    },
    finish,
  };
}

/** Two connected channels in one thread. Delivery is asynchronous, as on every other transport. */
export function createChannelPair(): readonly [Channel, Channel] {
  const link = (peer: () => End): End =>
    createChannelEnd({
      send: (message) => void Promise.resolve().then(() => peer().deliver(message)),
      close: () => void Promise.resolve().then(() => peer().finish()),
    });
  const left: End = link(() => right);
  const right: End = link(() => left);
  return [left.channel, right.channel];
}
