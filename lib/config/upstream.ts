import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftPool = DraftValues["pools"][string];
type DraftUpstream = NonNullable<DraftPool["upstreams"]>[number];

/** HTTP/2 goes through a client that takes name, address and `Host` from the URL alone. */
const NOT_WITH_HTTP2 = ["proxy", "resolve", "host", "max_idle"] as const;

function validateHttp2(upstream: DraftUpstream, path: Path, { problems }: ValidationContext): void {
  if (!upstream.http2) return;
  for (const key of NOT_WITH_HTTP2) {
    if (upstream[key] === undefined) continue;
    problems.add([...path, key], `found ${key} together with http2: true expected one of them`, { atKey: true });
  }
  if (upstream.url?.startsWith("http:")) {
    problems.expect([...path, "http2"], "an https upstream: HTTP/2 is agreed on in the TLS handshake");
  }
}

/** A certificate is shown with its key, and in a handshake. */
function validateCertificate(upstream: DraftUpstream, path: Path, { problems }: ValidationContext): void {
  const { cert, key, url, ca, http2 } = upstream;
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    problems.add([...path, missing!], `found ${given} alone expected ${missing} beside it`, { atKey: true });
  }
  if (cert !== undefined && ca === undefined && !http2 && url?.startsWith("https:") === true) {
    // Node's library is needed for it, which may not see the built-in authorities in a worker.
    problems.add(
      [...path, "cert"],
      "found cert without ca expected ca beside it, the upstream's authority, or http2: true",
      {
        atKey: true,
      },
    );
  }
  if (cert !== undefined && url?.startsWith("http:")) {
    problems.add(
      [...path, "cert"],
      "found cert together with an http URL expected https: it is shown in the TLS handshake",
      {
        atKey: true,
      },
    );
  }
}

/** Whether requests go to the proxy in absolute form, where it replaces `Host` by what the URL says. */
function isForwarded({ url, proxy, resolve, host }: DraftUpstream): boolean {
  return url?.startsWith("http:") === true && /^https?:/.test(proxy ?? "") && resolve === undefined &&
    host === undefined;
}

/** Checks what the keys of each upstream's connections say together. */
export function validateConnections(pool: DraftPool, path: Path, context: ValidationContext): void {
  const { problems, original } = context;
  for (const [index, upstream] of (pool.upstreams ?? []).entries()) {
    const at = original([...path, "upstreams", index]);
    validateHttp2(upstream, at, context);
    validateCertificate(upstream, at, context);
    if (!pool.preserve_host) continue;
    const because = upstream.http2 ? "http2: true" : isForwarded(upstream) ? "an http upstream behind a proxy" : null;
    if (because === null) continue;
    problems.add(
      [...path, "preserve_host"],
      `found preserve_host together with ${because} expected one of them: the client's Host would be lost`,
      { atKey: true },
    );
  }
}
