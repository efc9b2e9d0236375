import type { ListenerConfig } from "../config/listener.ts";
import type { Fields } from "../http/fields.ts";
import { splitKeyedPath } from "../http/target.ts";
import { redact } from "../logging/redact.ts";

/** Fields whose values are credentials as a whole. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
  "set-cookie",
  "x-api-key",
]);

/**
 * A text of a request as it may be shown: a key of the pool as its place among them, any other credential as `[redacted]`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { shownTarget } from "./shown_request.ts";
 * assert.equal(shownTarget("/3/movie/1?api_key=abc&token=x", ["abc", "def"]), "/3/movie/1?api_key=<key 1 of 2>&token=[redacted]");
 * ```
 */
export function shownTarget(target: string, keys: readonly string[]): string {
  return target.split(/(?=[?&])/).map((piece) => withPlace(piece, keys) ?? redact(piece)).join("");
}

/** A target as it may be shown where clients show tokens before the path, or in parameters of the operator's choice. */
export function withoutTokens(target: string, listeners: readonly Pick<ListenerConfig, "auth">[]): string {
  const [path = "", ...query] = target.split("?");
  const keyed = listeners.some(({ auth }) => auth?.path) ? splitKeyedPath(path) : null;
  const parameters = new Set(listeners.flatMap(({ auth }) => auth?.query ?? []));
  const pairs = query.join("?").split("&").map((pair) => {
    const name = pair.split("=", 1)[0]!;
    return parameters.has(decoded(name)) ? `${name}=[redacted]` : pair;
  });
  return (keyed === null ? path : `/~[redacted]${keyed.path}`) + (query.length === 0 ? "" : `?${pairs.join("&")}`);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}

/** Fields as they may be shown. */
export function shownFields(fields: Readonly<Fields>, keys: readonly string[]): Fields {
  return fields.map(([name, value]) => {
    const placed = withPlace(value, keys);
    return [name, placed ?? (SECRET_FIELDS.has(name) ? "[redacted]" : redact(value))];
  });
}

/** The text with the pool's key in it replaced; `null` where it has none. */
function withPlace(text: string, keys: readonly string[]): string | null {
  const place = keys.findIndex((key) => key !== "" && text.includes(key));
  if (place < 0) return null;
  const [before = "", ...after] = text.split(keys[place]!);
  // Nothing beside the key is shown.
  return after.join("") === "" ? `${before}<key ${place + 1} of ${keys.length}>` : "[redacted]";
}
