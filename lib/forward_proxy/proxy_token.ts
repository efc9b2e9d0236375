import { timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { tokenHash } from "../request/client_auth.ts";

/** Longer credentials are wrong in any case. */
const MAX_LENGTH = 1024;

/** What a client without the token is told (RFC 9110 §11.7.1). */
export const CHALLENGES = 'Proxy-Authenticate: Basic realm="usher"\r\nProxy-Authenticate: Bearer realm="usher"\r\n';

/**
 * Whether the value of `Proxy-Authorization` holds the token with this hash: as `Bearer`, or as the password or the user of `Basic`, as
 * in `http://usher:TOKEN@proxy` and `http://TOKEN@proxy`. Hashes are compared, in a time that tells nothing.
 */
export function holdsToken(authorization: string | null, sha256: string): boolean {
  if (authorization === null || authorization.length > MAX_LENGTH) return false;
  return tokensIn(authorization).map((token) => isEqual(tokenHash(token), sha256)).includes(true);
}

function tokensIn(authorization: string): string[] {
  const [, scheme = "", value = ""] = /^([A-Za-z]+) +(\S+)\s*$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return [value];
  if (scheme.toLowerCase() !== "basic") return [];
  const [user = "", ...password] = Buffer.from(value, "base64").toString("latin1").split(":");
  return [user, password.join(":")];
}

function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, "latin1"), Buffer.from(other, "latin1"));
}
