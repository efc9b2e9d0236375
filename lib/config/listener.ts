import { formatListenAddress } from "./addresses.ts";
import { listenAddressOf } from "./listen_sections.ts";
import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import { isMapping, valueAt } from "./yaml/tree.ts";
import { elsewhere } from "./listen.ts";
import { validateImages } from "./validate_images.ts";
import { validateAccess } from "./validate_access.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftListener = DraftValues["listeners"][number];

/** Names of pools that a message lists at most. */
const MAX_LISTED = 10;

function validateNames(context: ValidationContext): void {
  const seen = new Map<string, Path>();
  for (const [index, listener] of context.values.listeners.entries()) {
    const path = context.original(["listeners", index]);
    if (listener.name === undefined) continue;
    const first = seen.get(listener.name);
    if (first === undefined) seen.set(listener.name, path);
    else context.problems.expect([...path, "name"], `a name of its own (${elsewhere(first, context)} has it too)`);
  }
}

function validatePoolName(listener: DraftListener, path: Path, { problems }: ValidationContext): void {
  const pools = valueAt(problems.tree.root, ["pools"]);
  // Without a mapping of pools that is the mistake. A pool with mistakes of its own is still known.
  if (listener.pool === undefined || !isMapping(pools) || Object.hasOwn(pools, listener.pool)) return;
  const known = Object.keys(pools);
  const listed = known.slice(0, MAX_LISTED).join(", ") + (known.length > MAX_LISTED ? ", …" : "");
  problems.expect(
    [...path, "pool"],
    known.length === 0 ? "a pool that is in `pools`" : `the name of a pool: ${listed}`,
    known,
  );
}

/** What a listener answers for, a text for each host; nothing where it names no address. */
function claims(listener: DraftListener, cwd: string): string[] {
  const address = listenAddressOf(listener.listen, cwd);
  if (address === null) return [];
  const hosts = listener.host.length === 0 ? [""] : [...new Set(listener.host)];
  return hosts.map((host) => JSON.stringify([formatListenAddress(address), host, listener.prefix]));
}

/** No two listeners answer for the same address, host and prefix. */
function validateClaims(context: ValidationContext): void {
  const { values, original, problems } = context;
  const claimed = new Map<string, Path>();
  for (const [index, listener] of values.listeners.entries()) {
    const path = original(["listeners", index]);
    if (["listen", "host", "prefix"].some((key) => problems.has([...path, key]))) continue;
    const own = claims(listener, context.cwd);
    const taken = own.find((claim) => claimed.has(claim));
    for (const claim of own) if (!claimed.has(claim)) claimed.set(claim, path);
    if (taken === undefined) continue;
    const first = elsewhere(claimed.get(taken) ?? [], context);
    problems.expect(
      [...path, "prefix"],
      `a prefix that no other listener has on this address and host (${first} has it)`,
    );
  }
}

/** Limits of a freshness lifetime that exclude each other. */
function validateRules(listener: DraftListener, path: Path, { problems, original }: ValidationContext): void {
  for (const [index, rule] of listener.cache.rules.entries()) {
    if (rule.min_ttl === undefined || rule.max_ttl === undefined || rule.min_ttl <= rule.max_ttl) continue;
    const at = original([...path, "cache", "rules", index]);
    problems.expect([...at, "min_ttl"], `at most max_ttl (${problems.found([...at, "max_ttl"])})`);
  }
}

/** Bytes for a listener on a disk tier that gives fewer, or none, to all together. */
function validateQuota(listener: DraftListener, path: Path, { values, problems, original }: ValidationContext): void {
  const quota = listener.cache.disk_quota;
  const at = original([...path, "cache", "disk_quota"]);
  if (quota === undefined || problems.has(at) || problems.has(["cache", "disk"]) || quota <= values.cache.disk) return;
  problems.warn(
    at,
    values.cache.disk === 0
      ? "it has no effect: `cache.disk: 0` turns the disk tier off"
      : "it has no effect: it is larger than cache.disk, which holds for all listeners together",
  );
}

/** Checks the listeners: names, pools, what they answer for, rules. */
export function validateListeners(context: ValidationContext): void {
  validateNames(context);
  validateImages(context);
  validateClaims(context);
  for (const [index, listener] of context.values.listeners.entries()) {
    validatePoolName(listener, context.original(["listeners", index]), context);
    validateRules(listener, ["listeners", index], context);
    validateAccess(listener, context.original(["listeners", index]), context);
    validateQuota(listener, ["listeners", index], context);
  }
}
