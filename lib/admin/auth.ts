import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { hostOf } from "../http/target.ts";

/** Why a request is refused, or `null` where it is allowed. */
export type Refusal = { readonly status: 401 | 403; readonly detail: string } | null;

/**
 * Whether an admin request may go on. With a token it has to carry it as `Authorization: Bearer`. Without one the address is
 * loopback, and then `Host` must name it: else a page in a browser on this machine could reach it under another name
 * (DNS rebinding). The process's own `key` opens what the token does. A request that a page of another origin makes is refused either way.
 */
export function authorize(request: Request, token: string | null, key: string | null = null): Refusal {
  const origin = request.headers.get("origin");
  const host = request.headers.get("host") ?? "";
  if (origin !== null && !sameAuthority(origin, host)) {
    return { status: 403, detail: "The request comes from another origin" };
  }
  const carried = (secret: string | null) => secret !== null && carries(request, secret);
  if (token !== null && !carried(token) && !carried(key)) {
    return { status: 401, detail: "A valid admin token is needed" };
  }
  if (token !== null) return null;
  return isLocalName(hostOf(host)) ? null : { status: 403, detail: "The Host field does not name a local address" };
}

function carries(request: Request, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), digest(token));
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
