import { evaluate } from "../../cache/policy/policy.ts";
import { ageMs, selects, ttlMs } from "../../cache/policy/reuse.ts";
import type { StoredHead } from "../../cache/stored_response.ts";
import { isVaryMarker, leadsTo } from "../../cache/variants.ts";
import { GatewayError } from "../../errors.ts";
import { route, ruled } from "../../pipeline/arrive.ts";
import { partialKey } from "../../pipeline/partial_response.ts";
import type { Exchange } from "../../request/exchange.ts";
import { ownArrival } from "../../request/own_arrival.ts";
import type { Services } from "../../request/services.ts";
import type { Snapshot } from "../../request/snapshot.ts";
import type { HeldResponse, LookUpOrder, LookUpResult } from "../messages.ts";
import type { WorkerStore } from "./worker_store.ts";

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
