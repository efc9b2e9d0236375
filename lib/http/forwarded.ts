import { BlockList, isIP } from "node:net";
import type { Field, Fields } from "./fields.ts";

/** Which fields an upstream learns about the client by. */
export type ForwardedPolicy = "x-forwarded" | "forwarded" | "both" | "off";

/** Fields that speak of the client or of a proxy before us: believed from trusted addresses only, replaced else. */
export const FORWARDING_FIELDS: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
]);

/** The connection a request came by, and what it says of itself. */
export interface ForwardingFacts {
  /** Address of the peer. */
  readonly peer: string;
  readonly authority: string;
  readonly scheme: "http" | "https";
  /** The peer is one of `trusted_proxies`, so that what it forwarded is kept and added to. */
  readonly trusted: boolean;
  header(name: string): string | null;
}

/**
 * A test for addresses in CIDR blocks. IPv4 addresses written as IPv6 (`::ffff:192.0.2.1`) count as IPv4.
 *
 * @throws {RangeError} where a block is not `address/bits` or a plain address
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { addressMatcher } from "./forwarded.ts";
 * const isLocal = addressMatcher(["10.0.0.0/8", "::1"]);
 * assert.equal(isLocal("10.1.2.3"), true);
 * assert.equal(isLocal("192.0.2.1"), false);
 * ```
 */
export function addressMatcher(blocks: readonly string[]): (address: string) => boolean {
  if (blocks.length === 0) return () => false;
  const list = new BlockList();
  for (const block of blocks) addBlock(list, block);
  return (address) => {
    const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? "ipv4" : "ipv6");
  };
}

function addBlock(list: BlockList, block: string): void {
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(block) ?? [];
  const family = isIP(address);
  const widest = family === 4 ? 32 : 128;
  // Read leniently, `10.0.0.0/` would be the block of all addresses.
  if (family === 0 || Number(bits ?? 0) > widest) {
    throw new RangeError(`Cannot use CIDR block "${block}": it is not an IP address or address/bits`);
  }
  list.addSubnet(address, Number(bits ?? widest), family === 4 ? "ipv4" : "ipv6");
}

/**
 * The fields that tell an upstream of the client; the request's own fields of these names are removed by the caller.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { forwardingFields } from "./forwarded.ts";
 * const facts = { peer: "2001:db8::1", authority: "a.example", scheme: "http", trusted: false, header: () => null } as const;
 * assert.deepEqual(forwardingFields("forwarded", facts), [
 *   ["forwarded", 'for="[2001:db8::1]";host="a.example";proto=http'],
 * ]);
 * ```
 */
export function forwardingFields(policy: ForwardedPolicy, facts: ForwardingFacts): Fields {
  const fields: Fields = [];
  if (policy === "x-forwarded" || policy === "both") {
    const before = facts.trusted ? facts.header("x-forwarded-for") : null;
    const host = facts.trusted ? facts.header("x-forwarded-host") : null;
    const scheme = facts.trusted ? facts.header("x-forwarded-proto") : null;
    fields.push(
      ["x-forwarded-for", before === null ? facts.peer : `${before}, ${facts.peer}`],
      ["x-forwarded-host", host ?? facts.authority],
      ["x-forwarded-proto", scheme ?? facts.scheme],
    );
  }
  if (policy === "forwarded" || policy === "both") fields.push(forwardedField(facts));
  return fields;
}

/** One `Forwarded` field (RFC 7239 §4), appended to what a trusted peer sent. */
function forwardedField(facts: ForwardingFacts): Field {
  const before = facts.trusted ? facts.header("forwarded") : null;
  const node = facts.peer.includes(":") ? `"[${facts.peer}]"` : facts.peer;
  const own = `for=${node};host="${facts.authority}";proto=${facts.scheme}`;
  return ["forwarded", before === null ? own : `${before}, ${own}`];
}
