import type { z } from "zod";
import { isLoopback } from "./addresses.ts";
import { listenAddress, upstreamUrl } from "./http_scalars.ts";
import { adminTlsKey, tlsOf } from "./tls.ts";
import type { NamedFiles } from "./certificates.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, text } from "./yaml/scalars.ts";
import { asMapping, type Frozen, list, section } from "./yaml/section.ts";

/** A secret that is sent as a bearer token. */
function bearerToken() {
  return text({ title: "secret", pattern: /^[\x21-\x7e]+$/, maxLength: 1024, expected: "visible ASCII characters" });
}

/** What holders of a token may do: see everything, see the metrics alone, or change things too. */
export const ADMIN_ROLES = ["read", "metrics", "operate"] as const;

/** One of {@linkcode ADMIN_ROLES}. */
export type AdminRole = typeof ADMIN_ROLES[number];

/** A token of the admin address. */
export interface AdminToken {
  /** For the audit line. */
  readonly name: string;
  readonly token: string;
  readonly role: AdminRole;
}

/** The name of `admin.token` in audit lines. */
const FIRST_TOKEN_NAME = "admin";

const MAX_TOKENS = 64;

const tokenSection = section({
  name: text({
    title: "name",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    maxLength: 64,
    expected: "a name of letters, digits, `.`, `_` and `-`",
  }).describe("Its name in audit lines."),
  token: bearerToken().describe("The bearer token."),
  role: choice(ADMIN_ROLES).describe(
    "`read` sees everything, `metrics` sees the metrics alone, `operate` changes things too.",
  ),
});

const peerSection = section({
  url: upstreamUrl().describe("Its admin address, such as `http://10.0.0.2:6636`."),
  token: bearerToken().optional().describe("Bearer token that it asks for; sent to it alone."),
});

/** `admin:` */
export const adminSection = section({
  listen: listenAddress().prefault("127.0.0.1:6636").describe("Address of health, status and metrics."),
  tls: adminTlsKey().describe("Speak TLS on it, with these certificates."),
  token: bearerToken().optional().describe(
    "Bearer token that the admin address asks for; required when `listen` is not loopback.",
  ),
  tokens: list(asMapping(tokenSection), MAX_TOKENS).prefault([]).describe(
    "More bearer tokens, each with a name and what its holder may do; `admin.token` may do everything.",
  ),
  peers: list(asMapping(peerSection), 16).prefault([]).describe(
    "Other gateways that purges are passed on to, before this one purges itself; what they purged while it was off it learns at its start.",
  ),
});

type AdminValues = z.output<typeof adminSection>;

/** An admin address that others can reach needs a token, and should have TLS; no two tokens are the same, by name or text. */
export function checkAdmin({ listen, tls, token, tokens }: AdminValues, problems: Problems): void {
  const names = new Set([FIRST_TOKEN_NAME]);
  const texts = new Set(token === undefined ? [] : [token]);
  for (const [index, one] of tokens.entries()) {
    const path = ["admin", "tokens", index];
    if (names.has(one.name)) {
      problems.expect([...path, "name"], `another name: "${one.name}" is taken, "${FIRST_TOKEN_NAME}" by admin.token`);
    }
    if (texts.has(one.token)) problems.expect([...path, "token"], "a token that no other has");
    names.add(one.name);
    texts.add(one.token);
  }
  const isClosed = token !== undefined || tokens.length > 0;
  if (!isLoopback(listen) && isClosed && tls === undefined) {
    problems.warn(
      ["admin", "listen"],
      "tokens cross the network in clear text: set `admin.tls`, or listen on loopback",
    );
  }
  if (isLoopback(listen) || isClosed || problems.has(["admin", "token"]) || problems.has(["admin", "tokens"])) return;
  problems.expect(["admin", "listen"], "a loopback address such as 127.0.0.1:6636, or a secret in admin.token");
}

/** `admin:`, with what the files hold that it names; `peers` are gateways that purges are passed on to. */
export function adminOf({ listen, tls, token, tokens, peers }: AdminValues, files: NamedFiles) {
  const first: AdminToken[] = token === undefined ? [] : [{ name: FIRST_TOKEN_NAME, token, role: "operate" }];
  return {
    listen,
    tls: tlsOf(tls, files),
    /** `admin.token` is the first of them, where it is set. */
    tokens: [...first, ...tokens],
    peers: peers.map((peer) => ({ url: peer.url, token: peer.token ?? null })),
  };
}

/** `admin:` */
export interface AdminConfig extends Frozen<ReturnType<typeof adminOf>> {}
