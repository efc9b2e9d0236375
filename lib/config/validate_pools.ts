import { cleanApiKey } from "./api_key.ts";
import { formatDurationMs } from "./units.ts";
import { reachedBy } from "./build_connection.ts";
import type { Path } from "./located.ts";
import type { DraftValues } from "./schema.ts";
import { validateConnections } from "./validate_connections.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftPool = DraftValues["pools"][string];

function validateApiKeys(pool: DraftPool, path: Path, context: ValidationContext): void {
  const { problems, original, types } = context;
  const keys = pool.api_keys.map(cleanApiKey);
  if (keys.every((key) => key === "")) return;
  const form = types.traits(pool.type)?.keyForm ?? null;
  if (form === null && pool.type !== undefined) {
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
    const warning = keys.indexOf(key) < index ? "this key is in the list already" : form?.warning(key) ?? null;
    if (form?.isKey(key) === false) problems.expect(at, form.expected);
    else if (warning !== null) problems.warn(at, warning);
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

function validateHealth(pool: DraftPool, path: Path, { problems, types }: ValidationContext): void {
  const { interval, timeout, path: target } = pool.health;
  const refused = target === undefined ? null : types.traits(pool.type)?.refusedCheck(target) ?? null;
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

/** Not every type has connections that go on as another protocol. */
function validateUpgrade({ type, upgrade = [] }: DraftPool, path: Path, { problems, types }: ValidationContext): void {
  const at = [...path, "upgrade"];
  if (upgrade.length === 0 || types.traits(type)?.upgrades.length !== 0 || problems.has(at)) return;
  const others = types.namesWith(({ upgrades }) => upgrades.length > 0);
  problems.add(at, `found upgrade expected none on a pool of type ${type}: only ${others} has upgrades`, {
    atKey: true,
  });
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
