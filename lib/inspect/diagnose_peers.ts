import { addressMatcher } from "../http/forwarded.ts";
import type { PeerFigures } from "../server/peer_sight.ts";
import type { Finding } from "./finding.ts";

/** Fewer connections say nothing: a first try from one machine is no proxy. */
const FEWEST = 10;
const LOOPBACK = /^(?:127\.|::1$)/;

/**
 * Whether something in front of the running gateway hides its clients: a proxy that is not in `server.trusted_proxies`, whose address
 * all of them have then, in the log and for limits. No finding where too little has been seen.
 *
 * @param trustedProxies What the configuration says now: the gateway may not have taken it up yet.
 */
export function peerFindings(peers: PeerFigures | null, trustedProxies: readonly string[]): Finding[] {
  if (peers === null || peers.connections < FEWEST) return [];
  const { connections, forwarding, trusted, only } = peers;
  const check = "clients";
  const hidesClients = forwarding * 2 >= connections;
  if (trusted > 0 && !hidesClients) return [];
  if (only !== null && addressMatcher(trustedProxies)(only)) {
    const remedy = "`deno task reload` brings it into force";
    return [{
      check,
      state: "warn",
      text: `${only} is a trusted proxy in the file, and not yet in the gateway`,
      remedy,
    }];
  }
  if (hidesClients) {
    const from = only === null ? "addresses" : only;
    const text =
      `${forwarding} of ${connections} connections from ${from} name another client (X-Forwarded-For), and ` +
      `${only === null ? "are" : "it is"} not in \`server.trusted_proxies\`: what they say is not believed`;
    const named = only === null ? "the addresses of your proxy" : only;
    return [{
      check,
      state: "warn",
      text,
      remedy: `if that is your proxy, add ${named} to \`server.trusted_proxies\``,
    }];
  }
  if (only === null || LOOPBACK.test(only) || trusted > 0) return [];
  const text =
    `all ${connections} connections came from ${only}: one client, or something in front that hides the others`;
  const remedy =
    "where that is a proxy, have it send X-Forwarded-For and add it to `server.trusted_proxies`; where it is " +
    "Docker's network (userland proxy), limits by address hold for all clients together";
  return [{ check, state: "ok", text, remedy }];
}
