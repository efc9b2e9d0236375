import type { Field, Fields } from "./fields.ts";
import { hostOf } from "./target.ts";

/** One upstream, as its responses may name it. */
export interface NamedUpstream {
  /** Authorities by which it is called: that of its URL, and of the `Host` that it gets. */
  readonly authorities: readonly string[];
  /** Without a slash at its end; often empty. */
  readonly basePath: string;
}

/** The client of a response. */
export interface LedBack {
  /** The client's authority for the gateway. */
  readonly authority: string;
  /** The client's token before paths, such as `/~TOKEN`; often empty. */
  readonly keyPrefix: string;
}

/** A reference in a response: what stands before its path, and the rest. */
const REFERENCE = /^(?:(https?):)?\/\/([^/?#]*)([^]*)$/i;
const REFRESH = /^(\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?)(["']?)([^"']*)\2(\s*)$/i;

/**
 * Maps URLs of upstreams in response fields to their listener, whose prefix is stripped: in `Location`, `Content-Location`, `Refresh`, and
 * the `Path` and `Domain` of cookies. URLs of other hosts stay, and so does a path that has the prefix already, where the upstream was told
 * of it (`X-Forwarded-Prefix`).
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

  /** Fields as one client gets them; the same list where nothing is mapped. */
  fields(fields: Fields, to: LedBack): Fields {
    let changed: Fields | null = null;
    for (let index = 0; index < fields.length; index++) {
      const [name, value] = fields[index]!;
      const mapped = this.#mapped(name, value, to);
      if (mapped !== value) (changed ??= [...fields])[index] = [name, mapped] as Field;
    }
    return changed ?? fields;
  }

  #mapped(name: string, value: string, to: LedBack): string {
    switch (name) {
      case "location":
      case "content-location":
        return this.reference(value, to);
      case "refresh":
        return this.#refresh(value, to);
      case "set-cookie":
        return this.#cookie(value, to);
      default:
        return value;
    }
  }

  #refresh(value: string, to: LedBack): string {
    const [whole, before, quote, target, after] = REFRESH.exec(value) ?? [];
    return whole === undefined ? value : `${before}${quote}${this.reference(target!, to)}${quote}${after}`;
  }

  /** A URI reference (RFC 3986 §4.1); what is relative to the request's own path leads to the right place as it is. */
  reference(value: string, to: LedBack): string {
    const [, scheme, named, rest = ""] = REFERENCE.exec(value) ?? [];
    if (named === undefined) return value.startsWith("/") ? this.#path(value, to) ?? value : value;
    const path = this.#path(rest.startsWith("/") ? rest : `/${rest}`, to);
    if (path === null) return value;
    // Without a scheme and a host it leads to the gateway however the client calls it.
    if (this.#authorities.has(named.toLowerCase())) return path;
    const isOwn = named.toLowerCase() === to.authority.toLowerCase();
    return isOwn ? `${scheme === undefined ? "" : `${scheme}:`}//${named}${path}` : value;
  }

  /** A path at the upstreams as the listener serves it; `null` where it does not, or the path is the listener's already. */
  #path(path: string, { keyPrefix }: LedBack): string | null {
    if (this.#isTold && begins(path, this.prefix)) return keyPrefix + path;
    const basePath = this.#basePaths.find((base) => begins(path, base));
    return basePath === undefined ? null : keyPrefix + this.prefix + path.slice(basePath.length);
  }

  #cookie(value: string, to: LedBack): string {
    const [pair = "", ...attributes] = value.split(";");
    // Browsers take such a cookie with the path / only.
    const isHostCookie = /^\s*__Host-/i.test(pair);
    const kept = attributes.flatMap((attribute) => {
      const [, name = "", said = ""] = /^\s*([^=\s]*)\s*=?\s*([^]*?)\s*$/.exec(attribute) ?? [];
      if (/^domain$/i.test(name)) return this.#isUpstreams(said.replace(/^\./, "").toLowerCase()) ? [] : [attribute];
      if (isHostCookie || !/^path$/i.test(name) || !said.startsWith("/")) return [attribute];
      // A cookie for more than the upstream's base path is one for all of the listener.
      const path = this.#path(said, to) ??
        (this.#basePaths.some((base) => begins(base, said.replace(/\/$/, ""))) ? to.keyPrefix + this.prefix : null);
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
