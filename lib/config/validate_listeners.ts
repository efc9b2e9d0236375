import { formatListenAddress, overlaps } from "./addresses.ts";
import type { ListenAddress } from "./config.ts";
import type { Path } from "./located.ts";
import type { DraftValues } from "./schema.ts";
import { isMapping, valueAt } from "./tree.ts";
import { validateImages } from "./validate_images.ts";
import { validateAccess } from "./validate_access.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftListener = DraftValues["listeners"][number];

/** Names of pools that a message lists at most. */
const MAX_LISTED = 10;

/** `listeners[0] in line 20`, for a message about another place. */
function elsewhere(path: Path, { problems }: ValidationContext): string {
  const { path: text, line } = problems.locate(path);
  return `${text} in line ${line}`;
}

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

/** What a listener answers for, a text for each host. */
function claims(listener: DraftListener): string[] {
  const hosts = listener.host.length === 0 ? [""] : [...new Set(listener.host)];
  return hosts.map((host) => JSON.stringify([formatListenAddress(listener.listen), host, listener.prefix]));
}

/** No two listeners answer for the same address, host and prefix. */
function validateClaims(context: ValidationContext): void {
  const { values, original, problems } = context;
  const claimed = new Map<string, Path>();
  for (const [index, listener] of values.listeners.entries()) {
    const path = original(["listeners", index]);
    if (["listen", "host", "prefix"].some((key) => problems.has([...path, key]))) continue;
    const taken = claims(listener).find((claim) => claimed.has(claim));
    for (const claim of claims(listener)) if (!claimed.has(claim)) claimed.set(claim, path);
    if (taken === undefined) continue;
    const first = elsewhere(claimed.get(taken) ?? [], context);
    problems.expect(
      [...path, "prefix"],
      `a prefix that no other listener has on this address and host (${first} has it)`,
    );
  }
}

/** Each address with the path of the first listener that names it. */
function distinctAddresses({ values, original, problems }: ValidationContext): Array<[ListenAddress, Path]> {
  const distinct = new Map<string, [ListenAddress, Path]>();
  for (const [index, { listen }] of values.listeners.entries()) {
    const path = original(["listeners", index, "listen"]);
    const key = formatListenAddress(listen);
    if (!distinct.has(key) && !problems.has(path)) distinct.set(key, [listen, path]);
  }
  return [...distinct.values()];
}

/** Different addresses that cannot be listened on together. */
function validateAddresses(context: ValidationContext): void {
  const addresses = distinctAddresses(context);
  const { admin } = context.values;
  for (const [index, [address, path]] of addresses.entries()) {
    const other = addresses.slice(0, index).find(([earlier]) => overlaps(earlier, address));
    if (other !== undefined) {
      const hint = "0.0.0.0 and [::] cover the others on their port, so write one address everywhere";
      context.problems.expect(path, `an address that does not overlap with ${elsewhere(other[1], context)}; ${hint}`);
    }
    if (overlaps(admin.listen, address)) reportAdminOverlap(path, context);
  }
}

/** Says at `admin.listen`, or at the listener where the admin address is the default, that they overlap. */
function reportAdminOverlap(path: Path, context: ValidationContext): void {
  const { problems } = context;
  const adminPath = ["admin", "listen"];
  if (problems.has(adminPath)) return;
  if (problems.given(adminPath).length === 2) {
    problems.expect(adminPath, `an address of its own (${elsewhere(path, context)} overlaps with it)`);
  } else {
    problems.expect(path, "an address that is not the admin one (127.0.0.1:6636, unless admin.listen says otherwise)");
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

/** Checks the listeners: names, pools, what they answer for, addresses, rules. */
export function validateListeners(context: ValidationContext): void {
  validateNames(context);
  validateImages(context);
  validateClaims(context);
  validateAddresses(context);
  for (const [index, listener] of context.values.listeners.entries()) {
    validatePoolName(listener, context.original(["listeners", index]), context);
    validateRules(listener, ["listeners", index], context);
    validateAccess(listener, context.original(["listeners", index]), context);
    validateQuota(listener, ["listeners", index], context);
  }
}
