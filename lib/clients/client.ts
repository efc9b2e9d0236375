/** How a client is led to the gateway. */
export const WAYS = ["base-url", "https-name", "proxy", "dns", "prefix"] as const;

/** A way of {@linkcode WAYS}. */
export type Way = typeof WAYS[number];

/** What a way is called, and where docs/clients.md says what it takes. */
export const WAY_WORDS: Readonly<Record<Way, { readonly title: string; readonly heading: string }>> = {
  "base-url": { title: "a base URL", heading: "Base URL" },
  "https-name": { title: "a name with HTTPS", heading: "A public name with HTTPS" },
  proxy: { title: "a proxy setting", heading: "A proxy setting" },
  dns: { title: "TMDB's own names (DNS override)", heading: "TMDB's own names (DNS override)" },
  prefix: { title: "a URL behind a prefix", heading: "A URL behind a prefix" },
};

/** One way of one client. */
export interface ClientWay {
  readonly way: Way;
  /** Where it is set; `null` where there is nothing to set. */
  readonly setting: string | null;
  /** What is set there: `{base}` is a URL, `{name}` its host and port, `{proxy}` the URL of a forward proxy. */
  readonly value: string | null;
}

/** What is looked at to see whether a trap is shut; where nothing is, only a person can tell. */
export type TrapCheck =
  /** No response has a field that the client waits for. */
  | "no-ratelimit"
  /** Parameters without a value, or in another order, are the same request. */
  | "empty-parameters"
  /** An error is JSON of TMDB's shape. */
  | "json-errors"
  /** `/3/configuration` lists every size. */
  | "size-lists"
  /** `/3/configuration` leads pictures here. */
  | "image-base"
  /** Pictures have the `Cache-Control` and entity tag that the client can work with. */
  | "picture-head"
  /** Sizes that no list has, and two slashes, are served. */
  | "unlisted-size"
  /** A `HEAD` is answered. */
  | "head"
  /** A page of another origin may read the answer. */
  | "cors"
  /** The forward proxy lets the rest of the client's traffic through. */
  | "tunnel"
  /** The key that all users of the client share is replaced. */
  | "own-key"
  /** The value is a bare host: port 443, and no path. */
  | "bare-host";

/** What a client stumbles over. */
export interface Trap {
  readonly text: string;
  /** What to do about it. */
  readonly remedy: string;
  /** `null` where only a person can look. */
  readonly check: TrapCheck | null;
}

/** Where a program looks for authorities. */
export type Trust = "system" | "node" | "python" | "kodi" | "java" | "curl";

/** How each is given an authority, `ca.pem`. */
export const TRUST_WORDS: Readonly<Record<Trust, string>> = {
  system: "the system's store, in its container: ca.pem as /usr/local/share/ca-certificates/usher.crt, then " +
    "update-ca-certificates",
  node: "NODE_EXTRA_CA_CERTS=/path/to/ca.pem in its environment",
  python: "REQUESTS_CA_BUNDLE in its environment: a file with the usual authorities and ca.pem behind them",
  kodi:
    "SSL_CERT_FILE in its environment for its scrapers, and ca.pem at the end of system/certs/cacert.pem for pictures",
  java: "keytool -importcert -cacerts -alias usher -file ca.pem, with the Java that it runs on",
  curl: "--cacert ca.pem",
};

/** A client of TMDB: the one place that says how it is led here, and what it needs. */
export interface Client {
  /** On the command line, and of its page in docs/clients/. */
  readonly word: string;
  /** Other names that the command line takes for it. */
  readonly aliases: readonly string[];
  /** As people know it. */
  readonly name: string;
  /** The best first; none where it cannot be led here. */
  readonly ways: readonly ClientWay[];
  /** What it needs beside. */
  readonly needs: string;
  /** Read in its source or documentation, reported, or not verified. */
  readonly known: "S" | "R" | "U";
  /** Where it looks for authorities, for ways that need one of your own. */
  readonly trust: Trust;
  /** Whether it has a key built in that all its users share. */
  readonly hasSharedKey: boolean;
  /** In which size it takes the pictures that a document names; a common one where its source was not read. */
  readonly sizes: { readonly poster: string; readonly backdrop: string };
  readonly traps: readonly Trap[];
}
