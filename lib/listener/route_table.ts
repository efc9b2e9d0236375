import { carefulPath, carefulPrefix, decodedPath, mayBeginWithAuthority } from "../http/careful_path.ts";
import { hasDotSegment, hostOf } from "../http/target.ts";

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

/** Prefixes by host: the most specific host that has a matching prefix wins (exact name, then the longest wildcard, then any host). */
class HostTable<T> {
  readonly #exact = new Map<string, PrefixTable<T>>();
  /** By the part behind `*`, such as `.example.com`. */
  readonly #wildcard = new Map<string, PrefixTable<T>>();
  readonly #any = new PrefixTable<T>();

  add(hosts: readonly string[], prefix: string, value: T): void {
    if (hosts.length === 0) this.#any.add(prefix, value);
    for (const host of hosts) this.#tableOf(host).add(prefix, value);
  }

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

/** How often a path is read again: some chains of servers decode it more than once. */
const MAX_READINGS = 4;

/**
 * The routes of one listen address, immutable: the most specific host that has a matching prefix wins; under it the longest prefix on
 * segment boundaries.
 */
export class RouteTable<T> {
  readonly #byBytes = new HostTable<T>();
  /** The same routes by the careful reading of their prefixes; `null` where there is only one. */
  readonly #byReading: HostTable<T> | null;
  /** Paths may begin with a client's token, which is not matched. */
  readonly isKeyed: boolean;

  constructor(routes: Iterable<Route<T>>, { isKeyed = false } = {}) {
    this.isKeyed = isKeyed;
    const readings = new HostTable<T>();
    let count = 0;
    for (const { hosts, prefix, value } of routes) {
      this.#byBytes.add(hosts, prefix, value);
      readings.add(hosts, carefulPrefix(prefix), value);
      count++;
    }
    this.#byReading = count > 1 ? readings : null;
  }

  /** The value of the route for an authority (host and port) and a raw path; `undefined` where none matches. */
  match(authority: string, path: string): T | undefined {
    return this.#byBytes.match(authority, path);
  }

  /**
   * Whether an upstream may read the raw path, which {@linkcode match} gave to `found`, as one of another route: one reading would get past
   * what that route asks of its clients. Read more than once, it may also turn out to have a dot segment.
   */
  isDoubtful(authority: string, path: string, found: T): boolean {
    if (this.#byReading === null || carefulPath(path) === path) return false;
    // Read and read again, and read at last after it was decoded again and again.
    for (let turn = 0, read = path, decoded = path; turn < MAX_READINGS; turn++) {
      if (this.#isReadElsewhere(authority, read, found)) return true;
      if (decoded !== read && this.#isReadElsewhere(authority, decoded, found)) return true;
      const before = read + decoded;
      read = carefulPath(read);
      decoded = decodedPath(decoded);
      if (read + decoded === before) return false;
    }
    return true;
  }

  /** Whether a reading of a path, or what is left of it behind an authority, belongs to another route. */
  #isReadElsewhere(authority: string, path: string, found: T): boolean {
    const reading = carefulPath(path);
    if (hasDotSegment(reading) || this.#byReading!.match(authority, reading) !== found) return true;
    if (!mayBeginWithAuthority(path)) return false;
    if (carefulPath(reading) !== reading) return true;
    // Where an authority ends differs between programs, but what is left begins at a slash.
    for (let at = reading.indexOf("/", 1); at > 0; at = reading.indexOf("/", at + 1)) {
      if (this.#byReading!.match(authority, reading.slice(at)) !== found) return true;
    }
    return false;
  }
}
