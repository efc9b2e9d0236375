/** Keys and indices from the root of the file to a value. */
export type Path = readonly PropertyKey[];

/** Something to say about one place of the configuration file. */
export interface Located {
  readonly file: string;
  /** From 1; 0 where it is about the file as a whole. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 where it is about the file as a whole. */
  readonly column: number;
  /** Such as `listeners[0].prefix`; empty where it is about the text and not a value. */
  readonly path: string;
  /** `found … expected …`, without values that came from the environment or a file. */
  readonly message: string;
}

/**
 * A path as text: keys joined by dots, indices in brackets, unusual keys quoted in brackets.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatPath } from "./located.ts";
 *
 * assert.equal(formatPath(["pools", "tmdb-api", "upstreams", 0, "url"]), "pools.tmdb-api.upstreams[0].url");
 * assert.equal(formatPath(["pools", "a.b"]), 'pools["a.b"]');
 * ```
 */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(String(step))) text += text === "" ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/**
 * One line: `file:line:column path: message`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatLocated } from "./located.ts";
 *
 * const located = { file: "config.yaml", line: 12, column: 5, path: "server.workers", message: "found 0 expected 1" };
 * assert.equal(formatLocated(located), "config.yaml:12:5 server.workers: found 0 expected 1");
 * ```
 */
export function formatLocated(located: Located): string {
  const { file, line, column, path, message } = located;
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return path === "" ? `${place}: ${message}` : `${place} ${path}: ${message}`;
}
