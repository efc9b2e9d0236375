import { cleanApiKey, isApiKey, isUserToken } from "./api_keys.ts";
import { formatDurationMs } from "./yaml/units.ts";
import { reachedBy } from "./build_connection.ts";
import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import { validateConnections } from "./upstream.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftPool = DraftValues["pools"][string];

const USER_TOKEN = "this token may do more than read: with it every client acts as the user whom it belongs to; " +
  "take the application's read access token";

/** Whether upstreams of this type take API keys. */
function takesApiKeys(type: string | undefined): boolean {
  return type === undefined || type.startsWith("tmdb-");
}

function validateApiKeys(pool: DraftPool, path: Path, context: ValidationContext): void {
  const { problems, original } = context;
  const keys = pool.api_keys.map(cleanApiKey);
  if (keys.every((key) => key === "")) return;
  if (!takesApiKeys(pool.type)) {
    problems.add(
      [...path, "api_keys"],
      `found api_keys expected none on a pool of type ${problems.found([...path, "type"])}`,
      {
        atKey: true,
      },
    );
    return;
  }
  for (const [index, key] of keys.entries()) {
    const at = original([...path, "api_keys", index]);
    if (key === "") continue;
    if (!isApiKey(key)) {
      problems.expect(at, "a TMDB API key (32 hex digits) or a read access token (three parts with dots)");
    } else if (keys.indexOf(key) < index) problems.warn(at, "this key is in the list already");
    else if (isUserToken(key)) problems.warn(at, USER_TOKEN);
  }
  if (pool.key_mode === "pass") problems.warn([...path, "key_mode"], "api_keys are not used with `key_mode: pass`");
}

/** No two upstreams of a pool are the same: the shares would not be what the weights say. */
function validateUpstreams(pool: DraftPool, path: Path, { problems, original }: ValidationContext): void {
  const seen = new Map<string, Path>();
  for (const [index, upstream] of (pool.upstreams ?? []).entries()) {
    if (upstream.url === undefined) continue;
    const at = original([...path, "upstreams", index]);
    const identity = upstream.url + reachedBy(upstream);
    const first = seen.get(identity);
    if (first === undefined) {
      seen.set(identity, at);
    } else {
      const { path: where, line } = problems.locate(first);
      problems.expect([...at, "url"], `an upstream that the pool does not have already (${where} in line ${line})`);
    }
  }
}

/** Somebody must be asked where nothing goes wrong and no rule says otherwise. */
function validateParts(
  name: string,
  pool: DraftPool,
  path: Path,
  { values, problems, original }: ValidationContext,
): void {
  const upstreams = pool.upstreams ?? [];
  const at = [...path, "upstreams"];
  if (upstreams.length > 0 && !problems.has(at) && !upstreams.some(({ weight, backup }) => weight > 0 && !backup)) {
    problems.expect(at, "at least one upstream that is no backup and has a weight above 0");
  }
  for (const [index, { weight, url }] of upstreams.entries()) {
    if (weight > 0 || url === undefined) continue;
    const isNamed = values.listeners.some((listener) =>
      listener.rules.some((rule) => rule.upstream?.startsWith(url) && (rule.pool ?? listener.pool) === name)
    );
    if (!isNamed && !problems.has(["listeners"])) {
      problems.warn(
        [...original([...at, index]), "weight"],
        "with weight 0 it is never asked: no rule names this upstream",
      );
    }
  }
}

function validateHealth(pool: DraftPool, path: Path, { problems, refusedCheck }: ValidationContext): void {
  const { interval, timeout, path: target } = pool.health;
  const refused = target === undefined || pool.type === undefined ? null : refusedCheck(pool.type, target);
  if (refused !== null) {
    problems.expect([...path, "health", "path"], `a path that can be asked for again and again: ${refused}`);
  }
  if (problems.has([...path, "health"]) || timeout === undefined || timeout < interval) return;
  problems.expect(
    [...path, "health", "timeout"],
    `a duration shorter than health.interval (${intervalText(path, problems)})`,
  );
}

/** The interval as the file gives it, else its default. */
function intervalText(path: Path, problems: ValidationContext["problems"]): string {
  const at = [...path, "health", "interval"];
  return problems.given(at).length === at.length ? problems.found(at) : `${formatDurationMs(30_000)}, the default`;
}

/** Only the general type has connections that go on as another protocol. */
function validateUpgrade({ type, upgrade = [] }: DraftPool, path: Path, { problems }: ValidationContext): void {
  const at = [...path, "upgrade"];
  if (upgrade.length === 0 || type === undefined || type === "custom" || problems.has(at)) return;
  problems.add(at, `found upgrade expected none on a pool of type ${type}: only custom has upgrades`, { atKey: true });
}

/** A pool that no listener names does nothing. */
function warnUnused(name: string, { values, problems }: ValidationContext): void {
  // A listener whose pool is wrong may have meant this one.
  const isUsed = problems.has(["listeners"]) ||
    values.listeners.some(({ pool, rules }) => pool === name || rules.some((rule) => rule.pool === name));
  if (!isUsed) problems.warn(["pools", name], "no listener uses this pool", { atKey: true });
}

/** Checks the pools: keys, upstreams, health checks. */
export function validatePools(context: ValidationContext): void {
  for (const [name, pool] of Object.entries(context.values.pools)) {
    const path = ["pools", name];
    validateApiKeys(pool, path, context);
    validateUpstreams(pool, path, context);
    validateConnections(pool, path, context);
    validateHealth(pool, path, context);
    validateParts(name, pool, path, context);
    validateUpgrade(pool, path, context);
    warnUnused(name, context);
  }
}
