import type { Channel } from '../../protocol/channel.ts';
import type { Log } from '../log/log.ts';
import type { MachineSupervisor } from '../machine/machine-supervisor.ts';

export const SESSION_LIMITS = {
  /** Each session is a machine in a thread of its own. */
  maxSessions: 16,
  /** How long a session waits for its tab to come back from a reload or a sleeping laptop. */
  keepDetachedMs: 10 * 60_000,
  /** How long a reloaded page's new socket waits for its old one to close. */
  handoverMs: 250,
};

export interface Sessions {
  /** Connects a tab to its machine. False when there is no room for another one. */
  attach(tab: string, channel: Channel): Promise<boolean>;
  readonly count: number;
  dispose(): Promise<void>;
}

export interface SessionsOptions {
  readonly startMachine: () => MachineSupervisor;
  readonly log: Log;
  readonly limits?: Partial<typeof SESSION_LIMITS>;
}

interface Session {
  readonly key: string;
  readonly machine: MachineSupervisor;
  client: Channel | null;
  detachedSince: number;
  expiry: NodeJS.Timeout | undefined;
}

/** One machine per browser tab, kept over reloads. */
export function createSessions(options: SessionsOptions): Sessions {
  const { startMachine, log } = options;
  const limits = { ...SESSION_LIMITS, ...options.limits };
  const sessions = new Map<string, Session>();

  const end = async (session: Session): Promise<void> => {
    clearTimeout(session.expiry);
    sessions.delete(session.key);
    await session.machine.dispose();
  };

  const makeRoom = (): boolean => {
    if (sessions.size < limits.maxSessions) return true;
    const [oldest] = [...sessions.values()]
      .filter((session) => session.client === null)
      .toSorted((a, b) => a.detachedSince - b.detachedSince);
    if (oldest === undefined) return false;
    log.info('Ended the session that was detached longest to make room');
    void end(oldest);
    return true;
  };

  const isFree = (session: Session | undefined): boolean =>
    session === undefined || session.client === null;

  /** A browser copies the tab's id when it duplicates a tab; the copy gets a machine of its own. */
  const freeKey = (tab: string): string => {
    let key = tab;
    for (let copy = 2; !isFree(sessions.get(key)); copy += 1) key = `${tab}~${copy}`;
    return key;
  };

  const detach = (session: Session, channel: Channel): void => {
    if (session.client !== channel) return;
    session.client = null;
    session.detachedSince = performance.now();
    session.expiry = setTimeout(() => void end(session), limits.keepDetachedMs);
    session.expiry.unref();
  };

  return {
    get count() {
      return sessions.size;
    },
    attach: async (tab, channel) => {
      if (!isFree(sessions.get(tab))) {
        await new Promise((resolve) => setTimeout(resolve, limits.handoverMs));
      }
      const key = freeKey(tab);
      let session = sessions.get(key);
      if (session === undefined) {
        if (!makeRoom()) return false;
        session = {
          key,
          machine: startMachine(),
          client: null,
          detachedSince: 0,
          expiry: undefined,
        };
        sessions.set(key, session);
      }
      const attached = session;
      clearTimeout(attached.expiry);
      attached.client = channel;
      attached.machine.attach(channel);
      channel.onClose(() => detach(attached, channel));
      return true;
    },
    dispose: async () => {
      await Promise.all([...sessions.values()].map(end));
    },
  };
}
