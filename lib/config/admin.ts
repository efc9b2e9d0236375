import type { z } from "zod";
import { isLoopback } from "./addresses.ts";
import { listenAddress, upstreamUrl } from "./http_scalars.ts";
import { adminTlsKey, tlsOf } from "./tls.ts";
import type { NamedFiles } from "./certificates.ts";
import type { Problems } from "./yaml/problems.ts";
import { text } from "./yaml/scalars.ts";
import { asMapping, type Frozen, list, section } from "./yaml/section.ts";

/** A secret that is sent as a bearer token. */
function bearerToken() {
  return text({ title: "secret", pattern: /^[\x21-\x7e]+$/, maxLength: 1024, expected: "visible ASCII characters" });
}

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
  peers: list(asMapping(peerSection), 16).prefault([]).describe(
    "Other gateways that purges are passed on to, before this one purges itself.",
  ),
});

type AdminValues = z.output<typeof adminSection>;

/** An admin address that others can reach needs a token. */
export function checkAdmin({ listen, token }: AdminValues, problems: Problems): void {
  if (isLoopback(listen) || token !== undefined || problems.has(["admin", "token"])) return;
  problems.expect(["admin", "listen"], "a loopback address such as 127.0.0.1:6636, or a secret in admin.token");
}

/** `admin:`, with what the files hold that it names; `peers` are gateways that purges are passed on to. */
export function adminOf({ listen, tls, token, peers }: AdminValues, files: NamedFiles) {
  return {
    listen,
    tls: tlsOf(tls, files),
    token: token ?? null,
    peers: peers.map((peer) => ({ url: peer.url, token: peer.token ?? null })),
  };
}

/** `admin:` */
export interface AdminConfig extends Frozen<ReturnType<typeof adminOf>> {}
