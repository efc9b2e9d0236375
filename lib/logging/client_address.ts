/** How much of a client's address is shown: all of it, its network (IPv4 /24, IPv6 /48), or nothing. */
export type ClientDetail = "full" | "network" | "off";

/**
 * A client's address as logs and lists show it; `null` where they do not. What is no address (`unix`) has no network and stays.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { shownClient } from "./client_address.ts";
 * assert.equal(shownClient("192.0.2.77", "network"), "192.0.2.0/24");
 * assert.equal(shownClient("2001:db8:a:b::7", "network"), "2001:db8:a::/48");
 * assert.equal(shownClient("192.0.2.77", "off"), null);
 * ```
 */
export function shownClient(address: string, detail: ClientDetail): string | null {
  if (detail === "off") return null;
  if (detail === "full") return address;
  if (address.includes(":")) return networkOf6(address);
  const last = address.lastIndexOf(".");
  return last < 0 ? address : `${address.slice(0, last)}.0/24`;
}

/** The first three groups, in the short form. */
function networkOf6(address: string): string {
  const [head = "", tail] = address.split("%")[0]!.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? [] : tail.split(":");
    // An IPv4 address at the end stands for two groups.
    const count = rest.length + (tail.includes(".") ? 1 : 0);
    groups.push(...Array.from({ length: Math.max(0, 8 - groups.length - count) }, () => "0"), ...rest);
  }
  const network = groups.slice(0, 3).map((group) => group.replace(/^0+(?=.)/, ""));
  while (network.at(-1) === "0") network.pop();
  return `${network.join(":")}::/48`;
}
