/** A server by its address. */
export interface EngineAddress {
  readonly host: string;
  readonly port: number;
}

/** Where an engine is: one server, the primary that sentinels name, or a cluster by some of its nodes. */
export type EnginePlace =
  | { readonly kind: "server"; readonly address: EngineAddress; readonly database: number }
  | {
    readonly kind: "sentinels";
    readonly addresses: readonly EngineAddress[];
    /** What the sentinels call the primary. */
    readonly primary: string;
    readonly database: number;
    readonly sentinelUser: string | null;
    /** A secret. */
    readonly sentinelPassword: string | null;
  }
  | { readonly kind: "nodes"; readonly addresses: readonly EngineAddress[] };

/** How an engine is reached; plain data, which workers get too. */
export interface EngineOptions {
  readonly place: EnginePlace;
  readonly user: string | null;
  /** A secret. */
  readonly password: string | null;
  /** `null` where no TLS is spoken. Texts are PEM. */
  readonly tls: {
    /** The only authorities that are trusted; `null` for the built-in ones. */
    readonly ca: string | null;
    readonly cert: string | null;
    /** A secret. */
    readonly key: string | null;
  } | null;
}

/** The names by which an engine is shown, without credentials: `rediss://valkey.lan:6379/0`. */
export function engineLabel({ place, tls }: Pick<EngineOptions, "place" | "tls">): string {
  const scheme = tls === null ? "redis" : "rediss";
  const at = ({ host, port }: EngineAddress) => `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (place.kind === "server") return `${scheme}://${at(place.address)}/${place.database}`;
  const list = place.addresses.map(at).join(",");
  return place.kind === "nodes"
    ? `${scheme}://${list}`
    : `${scheme}://${place.primary}@sentinels(${list})/${place.database}`;
}
