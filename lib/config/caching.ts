import { Interpolated } from "./yaml/interpolate.ts";
import { choice, flag, mediaRange, size, text } from "./yaml/scalars.ts";
import { asMapping, list, section, short } from "./yaml/section.ts";

const MiB = 1024 ** 2;
const PiB = 1024 ** 5;

/** Types that compress well, and seldom come compressed already. */
const COMPRESSIBLE = [
  "text/*",
  "application/json",
  "application/ld+json",
  "application/manifest+json",
  "application/problem+json",
  "application/javascript",
  "application/xml",
  "application/atom+xml",
  "application/rss+xml",
  "image/svg+xml",
];

const CODINGS = ["br", "gzip", "zstd"] as const;
const COOKIE_USES = ["bypass", "ignore"] as const;

/** The name of a field or a cookie. */
function token(what: string) {
  const pattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
  return text({ title: "name", pattern, maxLength: 128, expected: `a ${what}'s name` });
}

function plain(value: unknown): unknown {
  return value instanceof Interpolated ? value.value() : value;
}

const cookiesSection = section({
  use: choice(COOKIE_USES).optional().describe(
    "`bypass`: the cache has no part in requests with cookies; `ignore`: it pays no heed to them.",
  ),
  key: list(token("cookie"), 16).optional().describe(
    "Cookies whose values are part of the cache key, as hashes; all others are ignored.",
  ),
});

const compressSection = section({
  enabled: flag().optional().describe(
    "Serve stored responses compressed to clients that take it; default: the type's own.",
  ),
  min_size: size(1, PiB).prefault("1KiB").describe("Smaller bodies are served as they are."),
  types: list(mediaRange(), 100).prefault(COMPRESSIBLE).describe("Media ranges that are compressed."),
  codings: list(choice(CODINGS), CODINGS.length).prefault(["zstd", "br", "gzip"]).describe(
    "Codings, best first; of those that a client likes equally the first is taken.",
  ),
});

/** Keys of a listener's `cache:` that say what is stored and in what form it is served. */
export const storingKeys = {
  disk_quota: size(MiB, PiB).optional().describe(
    "The most that this listener may hold on disk; it then gives way to itself. Default: no limit but `cache.disk`.",
  ),
  set_cookie: choice(["bypass", "strip", "store"]).optional().describe(
    "What `Set-Cookie` does to a response: not stored, stored without the field, or stored with it; " +
      "default: `bypass`, on TMDB types `strip`.",
  ),
  cookies: short(
    cookiesSection,
    { type: "string", enum: [...COOKIE_USES] },
    (value) => typeof plain(value) === "string" ? { use: plain(value) } : plain(value),
  ).optional().describe(
    "What `Cookie` does to a request: `bypass`, `ignore` or `{ key: [names] }`; default: `bypass`; on TMDB types, and where `set_cookie` is `store`, `ignore`.",
  ),
  range: choice(["pass", "fetch-full"]).optional().describe(
    "A range of what is not stored: `pass` forwards it, `fetch-full` fetches and stores the whole; " +
      "default: `pass`, on TMDB types `fetch-full`.",
  ),
  shared_stale: flag().optional().describe(
    "Whether `s-maxage` leaves `stale-while-revalidate` in force; else it forbids all stale use (RFC 9111 §5.2.2.10); " +
      "default: `cache.shared_stale`.",
  ),
  targeted_fields: list(token("field"), 8).prefault(["CDN-Cache-Control"]).describe(
    "Response fields that speak to this cache before `Cache-Control` does (RFC 9213), most important first.",
  ),
  reuse_appends: flag().prefault(false).describe(
    "Serve `append_to_response=credits`, or none, from a fresh stored `credits,images` of the same request (type `tmdb-api`).",
  ),
  status_key: flag().prefault(false).describe(
    "Tell clients in `Cache-Status` by which key a response is stored (RFC 9211 §2.7), to find out why one is not shared.",
  ),
  compress: asMapping(
    short(
      compressSection,
      { type: "boolean" },
      (value) => typeof plain(value) === "boolean" ? { enabled: plain(value) } : plain(value),
    ),
  ).prefault({}).describe("Stored responses in compressed form, made once each; `true` or `false` alone is `enabled`."),
};
