import { evaluate, type Verdict } from "../cache/policy/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isVaryMarker, leadsTo } from "../cache/variants.ts";
import { elapsedMs } from "../clock.ts";
import type { Claim } from "../cluster/claim.ts";
import type { Sharing } from "../cluster/entry_names.ts";
import type { Looked, SharedTier } from "../cluster/shared_tier.ts";
import type { Exchange } from "../request/exchange.ts";
import type { LeadTask } from "./lead.ts";

/** What the gateways of the cluster have for a request. */
export type FromGateways =
  /** A stored response that answers it. */
  | { readonly kind: "answer"; readonly response: StoredResponse; readonly verdict: Verdict }
  /** Nothing: upstreams are asked, for all gateways where the flight has the claim. */
  | { readonly kind: "lead"; readonly task: LeadTask };

/** Pauses between looks while another gateway fetches, should its message be lost. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** How gateways share the responses of the request's listener; `null` where they do not, or the client wants the origin asked. */
export function sharingOf(
  { services: { shared }, tenant: { sharing } }: Exchange,
  fwd: LeadTask["fwd"],
): { readonly shared: SharedTier; readonly sharing: Sharing } | null {
  return shared === null || sharing === null || fwd === "request" ? null : { shared, sharing };
}

/**
 * Looks for a response in the tier that gateways share, once for all requests of this gateway that wait for the flight. Where there is
 * none of use, one gateway fetches and the others wait for what it stores, as long as a request waits for another's fetch.
 */
export async function askGateways(
  exchange: Exchange,
  task: LeadTask,
  { shared, sharing }: { readonly shared: SharedTier; readonly sharing: Sharing },
): Promise<FromGateways> {
  const { collapse, clock } = exchange.services;
  const untilMs = elapsedMs(clock) + collapse.timeoutMs;
  const isWanted = () => exchange.fillsToTheEnd || task.flight.isFollowed || !exchange.hasLeft;
  let { stale } = task;
  let ignored = stale;
  let hasWaited = false;
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const key = exchange.variantKey;
    const claim = shared.claim(sharing, key);
    const looked = await shared.look({ sharing, key, claim, ignored });
    const response = accepted(exchange, looked, stale);
    if (response !== null && isVaryMarker(response)) {
      claim.end();
      exchange.knowVariants(response);
      stale = ignored = null;
      continue;
    }
    const verdict = response === null ? null : verdictOn(exchange, exchange.services.store.trusted(response));
    if (verdict?.kind === "hit" || verdict?.kind === "stale_while_revalidate" && !exchange.isBackground) {
      claim.end();
      if (hasWaited) shared.counts.followed++;
      return { kind: "answer", response: response!, verdict };
    }
    // Another gateway may have renewed what this one holds, and let that get stale too.
    if (verdict?.kind === "validate" || verdict?.kind === "stale_while_revalidate") stale = response;
    ignored = looked.response ?? ignored;
    if (looked.lease === "none" && looked.response !== null) {
      // Fresh, but purged or changed since: it keeps nobody from fetching.
      const again = await shared.look({ sharing, key, claim, ignored });
      if (again.lease !== "taken") return lead(task, { shared, stale, claim, hasWaited, looked: again });
    } else if (looked.lease !== "taken") return lead(task, { shared, stale, claim, hasWaited, looked });
    const leftMs = untilMs - elapsedMs(clock);
    if (leftMs <= 0 || !isWanted()) return { kind: "lead", task: { ...task, stale } };
    hasWaited = true;
    await shared.changed(sharing, key, Math.min(pauseMs, leftMs, Math.max(looked.leaseMs, 1)));
  }
}

function lead(
  task: LeadTask,
  { shared, stale, claim, hasWaited, looked }: {
    readonly shared: SharedTier;
    readonly stale: StoredResponse | null;
    readonly claim: Claim;
    readonly hasWaited: boolean;
    readonly looked: Looked;
  },
): FromGateways {
  if (looked.lease === "held") {
    task.flight.claim = claim;
    shared.counts.led++;
    if (hasWaited) shared.counts.takenOver++;
  }
  return { kind: "lead", task: { ...task, stale } };
}

/**
 * What a look-up brought, as the purges leave it, kept here too; `null` where it is of no use for the request, or older than what is held
 * here already.
 */
function accepted(exchange: Exchange, { response }: Looked, held: StoredResponse | null): StoredResponse | null {
  const { store } = exchange.services;
  if (response === null || exchange.isChanged(response)) return null;
  if (held !== null && !isNewer(response, held)) return null;
  const { variants } = exchange;
  if (variants !== null && (isVaryMarker(response) || !leadsTo({ requestTimeMs: variants.sinceMs }, response))) {
    return null;
  }
  const left = store.takeOver(response);
  if (left === undefined) return null;
  if (!isVaryMarker(left)) exchange.tenant.deriver?.onStored?.(exchange, left);
  return store.trusted(left);
}

/**
 * A response in the tier that gateways share that answers a request which nobody else waits for; `null` where there is none. No lease is
 * taken.
 */
export async function findInGateways(
  exchange: Exchange,
  { shared, sharing }: { readonly shared: SharedTier; readonly sharing: Sharing },
): Promise<StoredResponse | null> {
  const look = async () => {
    const key = exchange.variantKey;
    return accepted(exchange, await shared.look({ sharing, key, claim: null }), null);
  };
  let response = await look();
  if (response !== null && isVaryMarker(response)) {
    exchange.knowVariants(response);
    response = await look();
  }
  return response !== null && verdictOn(exchange, response).kind === "hit" ? response : null;
}

/** By the purges that were in force when they were asked for, before any clock. */
function isNewer(a: StoredResponse, b: StoredResponse): boolean {
  return a.purgePosition === b.purgePosition ? a.requestTimeMs > b.requestTimeMs : a.purgePosition > b.purgePosition;
}

function verdictOn(exchange: Exchange, stored: StoredResponse): Verdict {
  return evaluate(exchange, stored, { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() });
}
