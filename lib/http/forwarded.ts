import { BlockList, isIP } from "node:net";
import type { Field, Fields } from "./fields.ts";

/** Fields that tell upstreams of the client. */
export type ForwardedPolicy = "x-forwarded" | "forwarded" | "both" | "off";

/** The connection of a request, and its own forwarding fields. */
export interface ForwardingFacts {
  /** Address of the peer. */
  readonly peer: string;
  readonly authority: string;
  readonly scheme: "http" | "https";
  /** The peer is one of `trusted_proxies`, so that what it forwarded is kept and added to. */
  readonly trusted: boolean;
  header(name: string): string | null;
}

/** Peers on unix sockets. */
const UNIX = "unix";

/**
 * A test for addresses in CIDR blocks. IPv4 addresses written as IPv6 (`::ffff:192.0.2.1`) count as IPv4.
 *
 * `unix` among the blocks means peers on unix sockets, which have no address and are called so.
 *
 * @throws {RangeError} where a block is not `address/bits`, a plain address or `unix`
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
  for (const block of blocks) if (block !== UNIX) addBlock(list, block);
  const hasUnix = blocks.includes(UNIX);
  return (address) => {
    if (address === UNIX) return hasUnix;
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

const WITH_PORT = /^(?:\[([^\]]*)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/;
const MAPPED = /^(?:::|(?:0{1,4}:){5})ffff:(?:(\d{1,3}(?:\.\d{1,3}){3})|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i;

/**
 * An address without brackets and port; an IPv4 address without its IPv6 form. Any other text is returned unchanged.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { plainAddress } from "./forwarded.ts";
 * assert.equal(plainAddress("::ffff:192.0.2.1"), "192.0.2.1");
 * assert.equal(plainAddress("[2001:db8::1]:4711"), "2001:db8::1");
 * ```
 */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address;
  const [, bracketed, ipv4] = WITH_PORT.exec(address) ?? [];
  const bare = bracketed ?? ipv4 ?? address;
  const [, dotted, high, low] = MAPPED.exec(bare) ?? [];
  if (dotted !== undefined) return isIP(dotted) === 4 ? dotted : bare;
  if (high === undefined || low === undefined) return bare;
  const [upper, lower] = [parseInt(high, 16), parseInt(low, 16)];
  return `${upper >> 8}.${upper & 255}.${lower >> 8}.${lower & 255}`;
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

/**
 * The client's scheme and host as upstreams are told them: part of the cache key, since responses may depend on them. Empty for a client
 * that uses http and the request's authority, as nearly all do.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { toldApart } from "./forwarded.ts";
 * const sent: Record<string, string> = { "x-forwarded-proto": "https" };
 * const facts = { authority: "a.example", scheme: "http", header: (name: string) => sent[name] ?? null } as const;
 * assert.equal(toldApart("x-forwarded", { ...facts, isTrusted: () => true }), " https");
 * assert.equal(toldApart("x-forwarded", { ...facts, isTrusted: () => false }), "");
 * ```
 */
export function toldApart(policy: ForwardedPolicy, facts: ToldFacts): string {
  if (policy === "off") return "";
  const host = facts.header("x-forwarded-host");
  const scheme = facts.header("x-forwarded-proto");
  const chain = policy === "x-forwarded" ? null : facts.header("forwarded");
  const own = facts.scheme === "http" ? "" : " https";
  if ((host ?? scheme ?? chain) === null || !facts.isTrusted()) return own;
  const said = scheme === null ? own : scheme === "http" ? "" : ` ${scheme}`;
  const named = host === null || host === facts.authority ? "" : ` ${host}`;
  // The addresses in it are no ground for another answer.
  const steps = chain === null ? "" : chain.replace(/(?:for|by)=(?:"[^"]*"|[^;,]*)/gi, "");
  return said + named + (/[^;,\s]/.test(steps) ? ` ${steps}` : "");
}

/** As much of the facts as {@linkcode toldApart} asks for; whether the peer is trusted only where it matters. */
export type ToldFacts = Pick<ForwardingFacts, "authority" | "scheme" | "header"> & { isTrusted(): boolean };
