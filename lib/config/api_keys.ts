import type { z } from "zod";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { Path } from "./yaml/located.ts";
import { anyText } from "./http_scalars.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, flag, integer, positiveNumber } from "./yaml/scalars.ts";
import { distinct, list, section, switchable, type Values } from "./yaml/section.ts";

/**
 * A TMDB key without what sticks to it when it is copied from a page: white space, invisible characters (`\p{Cf}`, such as
 * the zero-width space), and the `Bearer` or `api_key=` that stands before it in examples.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cleanApiKey } from "./api_keys.ts";
 *
 * assert.equal(cleanApiKey("\u200b 0123456789abcdef0123456789abcdef\n"), "0123456789abcdef0123456789abcdef");
 * ```
 */
export function cleanApiKey(text: string): string {
  const visible = text.replaceAll(/\p{Cf}/gu, "").trim();
  return visible.replace(/^(?:bearer\s+|api_key=)/i, "").replaceAll(/\s/g, "");
}

const keyLimitsSection = section({
  enabled: flag().prefault(true).describe("Hold the keys to the limit."),
  per: choice(["pool", "key"]).prefault("pool").describe(
    "What the limit is of: all keys of the pool together, where what a resting key is not given goes to the others, or " +
      "each key alone, so that their rates add up.",
  ),
  max_rps: positiveNumber(1_000_000).prefault(35).describe(
    "Requests per second, of all workers; for a key it is halved after its 429, and raised again with each good answer.",
  ),
  burst: integer(1, 1_000_000).prefault(10).describe("Requests at once after a pause."),
});

/** Keys of a pool that say whose API keys its upstreams see. */
export const apiKeyKeys = {
  api_keys: list(anyText("secret", 4096, "an API key"), 100).prefault([]).describe(
    "TMDB API keys (32 hex digits) or read access tokens; empty ones are ignored.",
  ),
  key_mode: choice(["inject-missing", "replace", "pass"]).prefault("inject-missing").describe(
    "Whose key an upstream sees: the client's own if it has one, always the gateway's, or always the client's.",
  ),
};

/** Key of a pool that says what its API keys are given. */
export const keyLimitsKey = switchable(keyLimitsSection).prefault({}).describe(
  "What the pool's keys are given; requests over it wait within `timeouts.total`. `false` turns the limit off.",
);

type ApiKeyValues = Values<typeof apiKeyKeys>;

/** Checks the API keys of a pool; `path` is that of the pool. */
export function checkApiKeys(
  { type, api_keys, key_mode }: ApiKeyValues & { readonly type?: string | undefined },
  path: Path,
  problems: Problems,
): void {
  const keys = api_keys.map(cleanApiKey);
  if (keys.every((key) => key === "")) return;
  const form = upstreamTypes.traits(type)?.keyForm ?? null;
  if (form === null && type !== undefined) {
    const found = problems.found([...path, "type"]);
    return problems.atKey([...path, "api_keys"], `found api_keys expected none on a pool of type ${found}`);
  }
  for (const [index, key] of keys.entries()) {
    const at = [...path, "api_keys", index];
    if (key === "") continue;
    const warning = keys.indexOf(key) < index ? "this key is in the list already" : form?.warning(key) ?? null;
    if (form?.isKey(key) === false) problems.expect(at, form.expected);
    else if (warning !== null) problems.warn(at, warning);
  }
  if (key_mode === "pass") problems.warn([...path, "key_mode"], "api_keys are not used with `key_mode: pass`");
}

/** The keys of a pool, clean, each once. */
export function apiKeysOf(pasted: readonly string[]): string[] {
  return distinct(pasted.map(cleanApiKey)).filter((key) => key !== "");
}

/** What the keys of a pool are given by all workers; `null` for no limit. */
export function keyLimitsOf({ enabled, per, max_rps, burst }: z.output<typeof keyLimitsSection>) {
  return enabled ? { per, maxPerSecond: max_rps, burst } : null;
}
