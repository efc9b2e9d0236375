import type { Field, Fields } from "./fields.ts";
import { hostOf } from "./target.ts";

/** One upstream, as its responses may name it. */
export interface NamedUpstream {
  /** Authorities by which it is called: that of its URL, and of the `Host` that it gets. */
  readonly authorities: readonly string[];
  /** Without a slash at its end; often empty. */
  readonly basePath: string;
}

/** A reference in a response: what stands before its path, and the rest. */
const REFERENCE = /^(?:(https?):)?\/\/([^/?#]*)([^]*)$/i;
const REFRESH = /^(\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?)(["']?)([^"']*)\2(\s*)$/i;

/**
 * Leads back to a listener what responses say of places at its upstreams, where the listener takes its prefix off: `Location`,
 * `Content-Location`, `Refresh`, and the `Path` and `Domain` of cookies. What an upstream says of other hosts stays, and so does a path
 * that has the prefix already where the upstream was told of it (`X-Forwarded-Prefix`).
 */
export class WayBack {
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly #authorities: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  /** The longest first. */
  readonly #basePaths: readonly string[];

  readonly #isTold: boolean;

  /** `isTold` says that upstreams are told of the prefix. */
  constructor(prefix: string, upstreams: readonly NamedUpstream[], isTold: boolean) {
    this.prefix = prefix;
    this.#isTold = isTold;
    const authorities = upstreams.flatMap((upstream) =>
      upstream.authorities.map((authority) => authority.toLowerCase())
    );
    this.#authorities = new Set(authorities);
    this.#hosts = new Set(authorities.map(hostOf));
    this.#basePaths = [...new Set(upstreams.map(({ basePath }) => basePath))].sort((a, b) => b.length - a.length);
  }

  /** Fields as a client gets them that called the gateway by `authority`; the same list where nothing is mapped. */
  fields(fields: Fields, authority: string): Fields {
    let changed: Fields | null = null;
    for (let index = 0; index < fields.length; index++) {
      const [name, value] = fields[index]!;
      const mapped = this.#mapped(name, value, authority);
      if (mapped !== value) (changed ??= [...fields])[index] = [name, mapped] as Field;
    }
    return changed ?? fields;
  }

  #mapped(name: string, value: string, authority: string): string {
    switch (name) {
      case "location":
      case "content-location":
        return this.reference(value, authority);
      case "refresh":
        return this.#refresh(value, authority);
      case "set-cookie":
        return this.#cookie(value);
      default:
        return value;
    }
  }

  #refresh(value: string, authority: string): string {
    const [whole, before, quote, target, after] = REFRESH.exec(value) ?? [];
    return whole === undefined ? value : `${before}${quote}${this.reference(target!, authority)}${quote}${after}`;
  }

  /** A URI reference (RFC 3986 §4.1); what is relative to the request's own path leads to the right place as it is. */
  reference(value: string, authority: string): string {
    const [, scheme, named, rest = ""] = REFERENCE.exec(value) ?? [];
    if (named === undefined) return value.startsWith("/") ? this.#path(value) ?? value : value;
    const path = this.#path(rest.startsWith("/") ? rest : `/${rest}`);
    if (path === null) return value;
    // Without a scheme and a host it leads to the gateway however the client calls it.
    if (this.#authorities.has(named.toLowerCase())) return path;
    const isOwn = named.toLowerCase() === authority.toLowerCase();
    return isOwn ? `${scheme === undefined ? "" : `${scheme}:`}//${named}${path}` : value;
  }

  /** A path at the upstreams as the listener serves it; `null` where it does not, or the path is the listener's already. */
  #path(path: string): string | null {
    if (this.#isTold && begins(path, this.prefix)) return path;
    const basePath = this.#basePaths.find((base) => begins(path, base));
    return basePath === undefined ? null : this.prefix + path.slice(basePath.length);
  }

  #cookie(value: string): string {
    const [pair = "", ...attributes] = value.split(";");
    // Browsers take such a cookie with the path / only.
    const isHostCookie = /^\s*__Host-/i.test(pair);
    const kept = attributes.flatMap((attribute) => {
      const [, name = "", said = ""] = /^\s*([^=\s]*)\s*=?\s*([^]*?)\s*$/.exec(attribute) ?? [];
      if (/^domain$/i.test(name)) return this.#isUpstreams(said.replace(/^\./, "").toLowerCase()) ? [] : [attribute];
      if (isHostCookie || !/^path$/i.test(name) || !said.startsWith("/")) return [attribute];
      // A cookie for more than the upstream's base path is one for all of the listener.
      const path = this.#path(said) ??
        (this.#basePaths.some((base) => begins(base, said.replace(/\/$/, ""))) ? this.prefix : null);
      return path === null ? [attribute] : [` Path=${path.replace(/(?<=.)\/$/, "")}`];
    });
    return [pair, ...kept].join(";");
  }

  /** Whether a cookie's domain holds an upstream. */
  #isUpstreams(domain: string): boolean {
    if (domain === "") return false;
    for (const host of this.#hosts) if (host === domain || host.endsWith(`.${domain}`)) return true;
    return false;
  }
}

/** Whether a path lies at or below another, on segment boundaries. */
function begins(path: string, base: string): boolean {
  return path.startsWith(base) && (base === "" || /^(?:[/?#]|$)/.test(path.slice(base.length)));
}
