import { hostOf } from "../http/target.ts";

/** A route: hosts, prefix and value. */
export interface Route<T> {
  /** Lower-case names, exact or `*.example.com`; empty matches every host. */
  readonly hosts: readonly string[];
  /** Begins with `/`; without a slash at its end unless it is `/`. */
  readonly prefix: string;
  readonly value: T;
}

/** Prefixes of one host: a map, and how many segments its deepest prefix has. */
class PrefixTable<T> {
  readonly #byPrefix = new Map<string, T>();
  #depth = 0;

  add(prefix: string, value: T): void {
    this.#byPrefix.set(prefix, value);
    this.#depth = Math.max(this.#depth, prefix === "/" ? 0 : prefix.split("/").length - 1);
  }

  /** Tries prefixes of the path at segment boundaries, longest first; work grows with prefix depth, not with their number. */
  match(path: string): T | undefined {
    let end = 0;
    let depth = 0;
    while (depth < this.#depth && end < path.length) {
      const next = path.indexOf("/", end + 1);
      end = next < 0 ? path.length : next;
      depth++;
    }
    while (end > 0) {
      const found = this.#byPrefix.get(path.slice(0, end));
      if (found !== undefined) return found;
      end = path.lastIndexOf("/", end - 1);
    }
    return this.#byPrefix.get("/");
  }
}

/**
 * The routes of one listen address, immutable: the most specific host that has a matching prefix wins (exact name, then the
 * longest wildcard, then any host); under it the longest prefix on segment boundaries.
 */
export class RouteTable<T> {
  readonly #exact = new Map<string, PrefixTable<T>>();
  /** By the part behind `*`, such as `.example.com`. */
  readonly #wildcard = new Map<string, PrefixTable<T>>();
  readonly #any = new PrefixTable<T>();
  /** Paths may begin with a client's token, which is not matched. */
  readonly isKeyed: boolean;

  constructor(routes: Iterable<Route<T>>, { isKeyed = false } = {}) {
    this.isKeyed = isKeyed;
    for (const route of routes) {
      if (route.hosts.length === 0) this.#any.add(route.prefix, route.value);
      for (const host of route.hosts) this.#tableOf(host).add(route.prefix, route.value);
    }
  }

  /** The value of the route for an authority (host and port) and a raw path; `undefined` where none matches. */
  match(authority: string, path: string): T | undefined {
    if (this.#exact.size === 0 && this.#wildcard.size === 0) return this.#any.match(path);
    const host = hostOf(authority);
    return this.#exact.get(host)?.match(path) ?? this.#matchWildcard(host, path) ?? this.#any.match(path);
  }

  #matchWildcard(host: string, path: string): T | undefined {
    if (this.#wildcard.size === 0) return undefined;
    // `*.example.com` stands for one or more labels, so the first dot may not be the host's first character.
    for (let dot = host.indexOf(".", 1); dot > 0; dot = host.indexOf(".", dot + 1)) {
      const found = this.#wildcard.get(host.slice(dot))?.match(path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #tableOf(host: string): PrefixTable<T> {
    const [tables, key] = host.startsWith("*.")
      ? [this.#wildcard, host.slice(1).toLowerCase()]
      : [this.#exact, host.toLowerCase()];
    let table = tables.get(key);
    if (table === undefined) tables.set(key, table = new PrefixTable<T>());
    return table;
  }
}
