import { KEY_SEPARATOR } from "../cache/key.ts";
import type { ListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { addressKey } from "../gateway/compile.ts";
import { redact } from "../logging/redact.ts";
import type { WorkerLookUp } from "../workers/supervisor/fleet_calls.ts";
import type { HeldResponse, LookUpOrder } from "../workers/messages.ts";
import { explain, type ExplainRequest } from "./explain.ts";
import type { RuleNames } from "./explain_answers.ts";
import { authorityAt, entrancesOf } from "./explain_routes.ts";
import type { Explanation } from "./explanation.ts";
import { shownFields, shownTarget } from "./shown_request.ts";

/** What is stored for a request, and what would become of it: plain data, without credentials. */
export interface LookupView {
  /** Who takes the request; `null` where nobody does, and `explain` says why. */
  readonly listener: string | null;
  /** Where it was taken to come in; a path alone may come in at several addresses, see `elsewhere`. */
  readonly address: string | null;
  readonly pool: string | null;
  /** Listener, host and target; `null` where the listener stores nothing. */
  readonly key: string | null;
  /** Request fields that select among the responses of the key (`Vary`). */
  readonly varies_by: readonly string[];
  /** Serving workers that have looked. */
  readonly workers: number;
  /** In each worker's memory and on the disk, which they share; those that the request selects first. */
  readonly stored: readonly StoredView[];
  readonly elsewhere: readonly { readonly listener: string; readonly address: string }[];
  readonly explain: Explanation;
}

/** A stored response in one tier. */
export interface StoredView {
  readonly tier: "memory" | "disk";
  /** `null` for the disk. */
  readonly worker: string | null;
  /** A whole response, or one range of it. */
  readonly kind: "response" | "part";
  /** Whether this request selects it; the others are variants for other requests. */
  readonly selected: boolean;
  /** What the cache would do with it for this request, such as `hit` or `validate`; `null` for other variants and for parts. */
  readonly verdict: string | null;
  readonly status: number;
  readonly content_type: string | null;
  /** Of its content. */
  readonly bytes: number;
  readonly stored_at: string;
  readonly age_seconds: number;
  readonly lifetime_seconds: number;
  readonly fresh: boolean;
  readonly stale_while_revalidate_seconds: number;
  readonly stale_if_error_seconds: number;
  /** What is left of the longer of the two. */
  readonly stale_usable_seconds: number;
  /** Marked stale by a purge. */
  readonly purged: boolean;
  /** The values that it was selected by. */
  readonly variants: readonly string[];
  readonly tags: readonly string[];
  /** Look-ups that found it, since it was stored or renewed; `null` for the disk. */
  readonly hits: number | null;
  readonly etag: string | null;
  readonly last_modified: string | null;
}

/** What a look-up asks. */
export interface LookupParts {
  readonly config: Config;
  readonly request: ExplainRequest;
  readonly ruleNames: RuleNames;
  /** What each serving worker holds. */
  readonly lookUp: (order: LookUpOrder) => Promise<readonly WorkerLookUp[]>;
}

/** What is stored for a request, without a use of it. No upstream is asked. */
export async function lookup({ config, request, ruleNames, lookUp }: LookupParts): Promise<LookupView> {
  const { addresses } = entrancesOf(config, request.to);
  const taken = (await Promise.all(addresses.map(async (address) => {
    const found = await lookUp(orderAt(address, request));
    return found.length === 0 ? [] : [{ address: addressKey(address), found }];
  }))).flat();
  const [first, ...others] = taken;
  const result = first?.found[0]?.result;
  const keys = config.pools.find(({ name }) => name === result?.pool)?.apiKeys ?? [];
  const primary = first?.found.find(({ result: { variesBy } }) => variesBy.length > 0)?.result ?? result;
  return {
    listener: result?.listener ?? null,
    address: first?.address ?? null,
    pool: result?.pool ?? null,
    key: result === undefined || result.key === null ? null : shownKey(result.key, keys),
    varies_by: primary?.variesBy ?? [],
    workers: first?.found.length ?? 0,
    stored: first === undefined ? [] : storedViews(first.found, keys),
    elsewhere: others.map(({ address, found }) => ({ listener: found[0]!.result.listener, address })),
    explain: await explain(config, request, ruleNames),
  };
}

function orderAt(address: ListenAddress, { method, authority, target, fields }: ExplainRequest): LookUpOrder {
  const host = authority ?? authorityAt(address);
  return { address: addressKey(address), method, url: `http://${host}${target}`, fields: [...fields, ["host", host]] };
}

function storedViews(found: readonly WorkerLookUp[], keys: readonly string[]): StoredView[] {
  const all = found.flatMap(({ worker, result }) => result.held.map((held) => ({ worker, held })));
  const onDisk = new Map<string, HeldResponse>();
  for (const { held } of all) {
    // A worker that has just put one that is not written yet knows better than the disk.
    if (held.tier === "disk" && held.responseTimeMs >= (onDisk.get(held.key)?.responseTimeMs ?? -Infinity)) {
      onDisk.set(held.key, held);
    }
  }
  return [
    ...all.flatMap(({ worker, held }) => held.tier === "memory" ? [storedView(worker, held, keys)] : []),
    ...[...onDisk.values()].map((held) => storedView(null, held, keys)),
  ].sort((a, b) => Number(b.selected) - Number(a.selected));
}

function storedView(worker: string | null, held: HeldResponse, keys: readonly string[]): StoredView {
  const { ageMs, lifetimeMs, staleWhileRevalidateMs, staleIfErrorMs } = held;
  const staleMs = Math.max(0, ageMs - lifetimeMs);
  const seconds = (ms: number) => Math.floor(ms / 1_000);
  return {
    tier: held.tier,
    worker,
    kind: held.kind,
    selected: held.isSelected,
    verdict: held.verdict,
    status: held.status,
    content_type: held.contentType,
    bytes: held.bytes,
    stored_at: new Date(held.responseTimeMs).toISOString(),
    age_seconds: seconds(ageMs),
    lifetime_seconds: seconds(lifetimeMs),
    fresh: lifetimeMs > ageMs,
    stale_while_revalidate_seconds: seconds(staleWhileRevalidateMs),
    stale_if_error_seconds: seconds(staleIfErrorMs),
    stale_usable_seconds: seconds(Math.max(0, staleWhileRevalidateMs - staleMs, staleIfErrorMs - staleMs)),
    purged: held.isPurged,
    variants: held.selectedBy.map(([name, value]) => {
      return value === null ? `no ${name}` : `${name}: ${shownFields([[name, value]], keys)[0]![1]}`;
    }),
    tags: held.tags.map(redact),
    hits: held.hits,
    etag: held.etag,
    last_modified: held.lastModified,
  };
}

function shownKey(key: string, keys: readonly string[]): string {
  const [listener = "", host = "", target = "", ...more] = key.split(KEY_SEPARATOR);
  return [listener, host === "" ? "(any host)" : host, target, ...more].map((part) => shownTarget(part, keys)).join(
    " | ",
  );
}
