import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { AdminRole, AdminToken } from "../config/admin.ts";
import { hostOf } from "../http/target.ts";

/** What opens the admin surface. */
export interface AdminAccess {
  /** Of the configuration; with none, requests of this machine alone are served. */
  readonly tokens: readonly AdminToken[];
  /** The process's own, for commands of the user that runs it. */
  readonly key: string;
}

/** Who asks: as the audit line names them, and what they may do. */
export interface Caller {
  /** The address of the connection, and the name of the token; never the token. */
  readonly actor: string;
  readonly role: AdminRole;
  /** What opened the door: a configured token, the process's own key, or that the connection is of this machine. */
  readonly by: "token" | "key" | "machine";
}

/** Why a request is refused. */
export interface Refusal {
  readonly status: 401 | 403 | 429;
  readonly detail: string;
  /** When to come again; with 429. */
  readonly retryAfterSeconds?: number;
  /** Whether a token was given that opens nothing: a guess, maybe. */
  readonly isGuess?: boolean;
}

/** What each role may do beside what is its own: `operate` does all, `metrics` opens the metrics alone. */
const RANK: Readonly<Record<AdminRole, number>> = { metrics: 0, read: 1, operate: 2 };

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Whether a caller in `role` may use what asks for `needed`. */
export function opens(role: AdminRole, needed: AdminRole): boolean {
  return RANK[role] >= RANK[needed];
}

/**
 * Who makes an admin request, or why it is refused; `remote` is the address of its connection.
 *
 * With tokens it has to carry one of them, or the process's own key, as `Authorization: Bearer`. Without tokens it has to come from
 * this machine, and `Host` has to name this machine: else a page in a browser here could reach it under another name (DNS rebinding).
 * What a page of another origin asks is refused either way; so is all but a link that a page of another site causes without saying so
 * in `Origin`.
 */
export function authenticate(request: Request, remote: string, { tokens, key }: AdminAccess): Caller | Refusal {
  const host = request.headers.get("host") ?? "";
  if (isForeign(request, host)) return { status: 403, detail: "The request comes from another origin" };
  const given = bearerOf(request);
  if (given !== null) {
    const carried = digest(given);
    // Every token is compared, so that the time says nothing of which one it was.
    const fitting = tokens.filter(({ token }) => timingSafeEqual(carried, digest(token)));
    const isKey = timingSafeEqual(carried, digest(key));
    if (fitting[0] !== undefined) {
      return { actor: `${remote} (token ${fitting[0].name})`, role: fitting[0].role, by: "token" };
    }
    if (isKey && tokens.length > 0) return { actor: `${remote} (command on this machine)`, role: "operate", by: "key" };
  }
  if (tokens.length > 0) return { status: 401, detail: "A valid admin token is needed", isGuess: given !== null };
  if (!isLoopbackAddress(remote)) return { status: 403, detail: "Without an admin token only this machine is served" };
  if (!isLocalName(hostOf(host))) return { status: 403, detail: "The Host field does not name a local address" };
  return { actor: remote, role: "operate", by: "machine" };
}

/** The bearer token that a request carries; `null` where it carries none. */
export function bearerOf(request: Request): string | null {
  return /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
}

function isForeign({ method, headers }: Request, host: string): boolean {
  const origin = headers.get("origin");
  if (origin !== null && !sameAuthority(origin, host)) return true;
  // A link from another site may lead here; what else a page there asks for would only hold streams and cost time.
  const isLink = SAFE_METHODS.has(method) && headers.get("sec-fetch-mode") === "navigate";
  return !isLink && /^(?:cross|same)-site$/i.test(headers.get("sec-fetch-site") ?? "");
}

/** Equal lengths, so that the comparison takes the same time for every text. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function sameAuthority(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function isLocalName(host: string): boolean {
  return host === "localhost" || isIP(host.replace(/^\[|\]$/g, "")) !== 0;
}

/** Whether a connection's address is of this machine. */
export function isLoopbackAddress(address: string): boolean {
  return /^(?:::1$|(?:::ffff:)?127\.)/i.test(address);
}
