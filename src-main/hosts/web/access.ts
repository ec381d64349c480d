/**
 * Who may talk to the web host. Three independent checks: the request names this very address (no DNS
 * rebinding), it carries the cookie of this run (no other local user or page), and a socket comes
 * from a page of this origin.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 24;
const TICKET_LIFETIME_MS = 60_000;

export interface Access {
  /** In the printed URL; valid as long as the host runs. */
  readonly token: string;
  /** A token for one use, for command lines that others on the machine can read. */
  issueTicket(): string;
  /** The Set-Cookie header for a start URL's token, or null when the token is wrong. */
  redeem(token: string): string | null;
  isExpectedHost(host: string | undefined): boolean;
  isExpectedOrigin(origin: string | undefined, host: string | undefined): boolean;
  hasCookie(header: string | undefined): boolean;
}

export interface AccessOptions {
  readonly port: number;
  readonly token?: string | undefined;
  readonly nowMs?: () => number;
}

export function createAccess({ port, token, nowMs = Date.now }: AccessOptions): Access {
  const runToken = token ?? newSecret();
  const cookieName = `siov-lab-${port}`;
  const cookieValue = token ?? newSecret();
  const hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`]);
  const tickets = new Map<string, number>();

  const useTicket = (ticket: string): boolean => {
    const expires = tickets.get(ticket);
    tickets.delete(ticket);
    return expires !== undefined && nowMs() < expires;
  };

  return {
    token: runToken,
    issueTicket: () => {
      const ticket = newSecret();
      tickets.set(ticket, nowMs() + TICKET_LIFETIME_MS);
      return ticket;
    },
    redeem: (given) => {
      if (!isSame(given, runToken) && !useTicket(given)) return null;
      return `${cookieName}=${cookieValue}; Path=/; HttpOnly; SameSite=Strict`;
    },
    isExpectedHost: (host) => host !== undefined && hosts.has(host.toLowerCase()),
    isExpectedOrigin: (origin, host) =>
      origin !== undefined && host !== undefined && origin === `http://${host.toLowerCase()}`,
    hasCookie: (header) => isSame(cookieOf(header, cookieName) ?? '', cookieValue),
  };
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

function isSame(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const [key = '', ...value] = part.trim().split('=');
    if (key === name) return value.join('=');
  }
  return undefined;
}
