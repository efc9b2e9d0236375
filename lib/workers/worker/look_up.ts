import { evaluate, type Verdict } from "../../cache/policy/policy.ts";
import { ageMs, selects, ttlMs } from "../../cache/policy/reuse.ts";
import type { StoredFacts, StoredHead, StoredKind } from "../../cache/stored_response.ts";
import { isVaryMarker, leadsTo } from "../../cache/variants.ts";
import { GatewayError } from "../../errors.ts";
import type { Fields } from "../../http/fields.ts";
import { route, ruled } from "../../pipeline/arrive.ts";
import { partialKey } from "../../pipeline/partial_response.ts";
import type { Exchange } from "../../request/exchange.ts";
import { ownArrival } from "../../request/own_arrival.ts";
import type { Services } from "../../request/services.ts";
import type { Snapshot } from "../../request/snapshot.ts";
import type { WorkerStore } from "./worker_store.ts";

/** A request, as it would come in, whose stored responses are looked for. */
export interface LookUpOrder {
  /** Key of the listen address that it comes in at. */
  readonly address: string;
  readonly method: string;
  /** Scheme, authority and raw target. */
  readonly url: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
}

/** What one worker holds for a request: plain data, secrets of the request included, so not to be shown as it is. */
export interface LookUpResult {
  readonly listener: string;
  readonly pool: string;
  /** The primary key; `null` where the listener stores nothing. */
  readonly key: string | null;
  /** The request fields that select among responses with this key. */
  readonly variesBy: readonly string[];
  readonly held: readonly HeldResponse[];
}

/** A stored response, as it lies in one tier. */
export interface HeldResponse extends Pick<StoredFacts, "key" | "status" | "responseTimeMs" | "selectedBy" | "tags"> {
  readonly tier: "memory" | "disk";
  readonly kind: Extract<StoredKind, "response" | "part">;
  readonly contentType: string | null;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly bytes: number;
  readonly ageMs: number;
  readonly lifetimeMs: number;
  /** After the lifetime; 0 where it is never to be served stale. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly isPurged: boolean;
  /** Whether the request selects it among the variants. */
  readonly isSelected: boolean;
  /** What the cache would make of it for this request; `null` for another variant, and for a part. */
  readonly verdict: Verdict["kind"] | null;
  /** Look-ups in this worker since it was stored or renewed; `null` on the disk, where nobody counts them. */
  readonly hits: number | null;
}

/** Variants that are looked at, at most. */
const MAX_VARIANTS = 100;

/** What a look-up is made in. */
export interface LookUpPlace {
  readonly services: Services;
  readonly snapshot: Snapshot;
  readonly store: WorkerStore;
}

/**
 * The stored responses of a request's key, in this worker's memory and on the disk; `null` where no listener takes the request. Nothing
 * counts as a use, and no upstream is asked.
 */
export async function lookUp(place: LookUpPlace, order: LookUpOrder): Promise<LookUpResult | null> {
  const exchange = exchangeOf(place, order);
  if (exchange === null) return null;
  const { tenant, key } = exchange;
  const named = { listener: tenant.name, pool: tenant.pool.name };
  if (tenant.policy === null) return { ...named, key: null, variesBy: [], held: [] };
  const { store } = place;
  const marker = [store.peek(key)?.response, await store.peekOnDisk(key)].find((one) => one && isVaryMarker(one));
  if (marker !== undefined) exchange.knowVariants(marker);
  const variants = marker === undefined ? [] : store.variantKeys(key, MAX_VARIANTS);
  const keys = [...new Set([exchange.variantKey, ...variants, partialKey(key)])];
  const held = await Promise.all(keys.map((each) => heldBy(store, each)));
  return {
    ...named,
    key,
    variesBy: marker?.selectedBy.map(([name]) => name) ?? [],
    held: held.flat().flatMap((one) => {
      const isThere = marker === undefined || one.head.kind === "part" || leadsTo(marker, one.head);
      return isThere && !exchange.isChanged(one.head) ? heldResponse(exchange, one) : [];
    }),
  };
}

/** The request as its listener sees it; `null` where none takes it. */
function exchangeOf({ services, snapshot }: LookUpPlace, order: LookUpOrder): Exchange | null {
  const { address, method, url: target, fields } = order;
  const entrance = { services, table: snapshot.tables.get(address) };
  try {
    const routed = route(entrance, ownArrival({ method, target, fields }));
    return routed instanceof GatewayError ? null : ruled(routed);
  } catch (error) {
    // What rules can make no request of has no key.
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

/** One entry of a tier. */
interface Held {
  readonly tier: "memory" | "disk";
  readonly head: StoredHead;
  readonly hits: number | null;
}

async function heldBy(store: WorkerStore, key: string): Promise<Held[]> {
  const inMemory = store.peek(key);
  const onDisk = await store.peekOnDisk(key);
  return [
    ...inMemory === undefined ? [] : [{ tier: "memory" as const, head: inMemory.response, hits: inMemory.hits }],
    ...onDisk === undefined ? [] : [{ tier: "disk" as const, head: onDisk, hits: null }],
  ];
}

function heldResponse(exchange: Exchange, { tier, head, hits }: Held): HeldResponse[] {
  const { kind, freshness } = head;
  if (kind !== "response" && kind !== "part") return [];
  const nowMs = exchange.services.clock.now();
  const isSelected = kind === "response" && selects(head, exchange);
  const staleMs = (windowMs: number) => freshness.mustRevalidate ? 0 : windowMs;
  return [{
    tier,
    kind,
    key: head.key,
    status: head.status,
    contentType: head.field("content-type"),
    etag: head.field("etag"),
    lastModified: head.field("last-modified"),
    bytes: head.lengthBytes ?? 0,
    responseTimeMs: head.responseTimeMs,
    ageMs: ageMs(head, nowMs),
    // Of what is validated each time nothing is fresh.
    lifetimeMs: freshness.alwaysValidate ? 0 : ageMs(head, nowMs) + ttlMs(head, nowMs),
    staleWhileRevalidateMs: staleMs(freshness.staleWhileRevalidateMs),
    staleIfErrorMs: staleMs(freshness.staleIfErrorMs),
    isPurged: head.isPurged,
    selectedBy: kind === "part" ? [] : head.selectedBy,
    tags: head.tags,
    isSelected,
    verdict: isSelected ? evaluate(exchange, head, { options: exchange.tenant.policy!, nowMs }).kind : null,
    hits,
  }];
}
