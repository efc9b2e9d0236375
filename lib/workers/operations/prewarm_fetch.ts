import { type ClientName, pictureTargets } from "../../clients/client_requests.ts";
import { pause } from "../../clock.ts";
import { GatewayError, messageOf } from "../../errors.ts";
import { Exchange } from "../../request/exchange.ts";
import type { Services } from "../../request/services.ts";
import type { Snapshot, Tenant } from "../../request/snapshot.ts";
import { refusal } from "../../forward/refuse.ts";
import { deliver } from "../../deliver/deliver.ts";
import { RequestFields } from "../../http/request_fields.ts";
import { requestTarget, splitTarget, type Target } from "../../http/target.ts";
import { ruled } from "../../pipeline/arrive.ts";
import { obtain } from "../../pipeline/obtain.ts";
import { passThrough } from "../../pipeline/pass_through.ts";
import type { Answer } from "../../request/answer.ts";
import { ownArrival } from "../../request/own_arrival.ts";
import type { Arrival } from "../../server/arrival.ts";
import { replyResponse } from "../../server/fetch_adapter.ts";
import type { PrewarmResult, ReadResult } from "../messages.ts";

/** A fetch that takes longer is given up. */
const FETCH_TIMEOUT_MS = 120_000;
/** Requests of clients at the pool's upstreams, in this worker, above which a fetch waits. */
const BUSY_IN_FLIGHT = 16;
/** A timer that is so late says that this worker has more to do than it can. */
const BUSY_LATENESS_MS = 40;
const POLL_MS = 25;
/** A fetch that has waited for so long goes back to the supervisor. */
const PATIENCE_MS = 1_000;
/** Longest wait that an upstream may ask for. */
const MAX_RETRY_SECONDS = 3_600;
/** Largest document that is searched for pictures. */
const MAX_DOCUMENT_BYTES = 8_388_608;
/** Largest body that is read for the gateway itself. */
const MAX_READ_BYTES = 1_048_576;

/** What is to be fetched. */
export interface PrewarmTarget {
  readonly listener: string;
  readonly url: string;
  /** Whose pictures are named. @default none */
  readonly clients?: readonly ClientName[];
}

/** Where fetches run. */
export interface PrewarmPlace {
  readonly services: Services;
  readonly snapshot: Snapshot;
}

/**
 * Fetches targets into the cache as requests of nobody: through the pipeline as any other, but not counted, and only while clients
 * leave room for it.
 */
export class PrewarmFetcher {
  #active = 0;

  /** Fetches one target of a listener; `busy` where clients need the room. */
  async fetch(place: PrewarmPlace, { listener, url, clients = [] }: PrewarmTarget): Promise<PrewarmResult> {
    const tenant = place.snapshot.tenants.find(({ name }) => name === listener);
    if (tenant === undefined) return skipped("there is no such listener");
    const exchange = exchangeFor(place, tenant, url);
    if (typeof exchange === "string") return skipped(exchange);
    if (!await this.#isQuiet(tenant)) return { outcome: "busy", detail: null, bytes: 0 };
    this.#active++;
    try {
      return await resultOf(await responseTo(exchange, obtain(exchange)), clients);
    } catch (error) {
      return { outcome: "failed", detail: messageOf(error), bytes: 0 };
    } finally {
      this.#active--;
    }
  }

  /** Asks the upstreams of a pool for the gateway itself, past the cache; `busy` where clients need the room. */
  async read(place: PrewarmPlace, pool: string, target: string): Promise<ReadResult> {
    const tenant = place.snapshot.tenants.find((known) => known.pool.name === pool && known.offline !== true);
    if (tenant === undefined) return failedRead("no listener asks the pool's upstreams");
    if (!await this.#isQuiet(tenant)) return { outcome: "busy", body: null, detail: null, retryAfterMs: null };
    this.#active++;
    try {
      const exchange = ownExchange(place, tenant, target);
      return await readOf(await responseTo(exchange, passThrough(exchange, { fwd: "bypass", detail: null })));
    } catch (error) {
      const retryAfterSeconds = error instanceof GatewayError ? error.retryAfterSeconds : undefined;
      return failedRead(messageOf(error), retryAfterSeconds);
    } finally {
      this.#active--;
    }
  }

  /** Waits until clients leave room, but not for long; answers whether they do. */
  async #isQuiet({ pool: { pool, keyRoom, userKeyRoom } }: Tenant): Promise<boolean> {
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const inFlight = pool.upstreams.reduce((sum, upstream) => sum + upstream.inFlight, 0) - this.#active;
      const latenessMs = await lateness();
      const isKeyFree = keyRoom.size + userKeyRoom.size <= this.#active;
      if (isKeyFree && inFlight < BUSY_IN_FLIGHT && latenessMs < BUSY_LATENESS_MS) return true;
      if (performance.now() > untilMs) return false;
    }
  }
}

/** The exchange of a target, or why it is not to be fetched: never what belongs to one user or changes something. */
function exchangeFor(place: PrewarmPlace, tenant: Tenant, asked: string): Exchange | string {
  if (tenant.policy === null) return "the listener stores nothing";
  if (asked.startsWith("/") && tenant.hostInKey) return "the host is part of its cache key: give it as a URL";
  const url = asked.startsWith("/") ? `http://localhost${asked}` : asked;
  const target = splitTarget(url);
  if (target === null) return "it is no target of a request";
  if (![...place.snapshot.tables.values()].some((table) => table.match(target.authority, target.path) === tenant)) {
    return "the listener does not serve it";
  }
  const arrival = arrivalFor(url, target.authority);
  const refused = refusal(arrival, target);
  if (refused !== null) return refused.message;
  const exchange = ruled(quietExchange(place, tenant, arrival, target));
  if (exchange.ruling?.reply != null) return "a rule of the listener answers it";
  return exchange.private === null ? exchange : `its response belongs to one user (${exchange.private})`;
}

function arrivalFor(target: string, host: string): Arrival {
  return ownArrival({ method: "GET", target, fields: [["host", host]], signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
}

function quietExchange({ services }: PrewarmPlace, tenant: Tenant, arrival: Arrival, target: Target): Exchange {
  return new Exchange({ services, tenant, arrival, fields: new RequestFields(arrival.fields), target }).inBackground();
}

/** The exchange of a request of the gateway's own, sent to the pool by no listener. */
function ownExchange(place: PrewarmPlace, tenant: Tenant, target: string): Exchange {
  const stripped = tenant.stripPrefix && tenant.prefix !== "/" ? tenant.prefix : "";
  const arrival = arrivalFor(stripped + target, "localhost");
  return quietExchange(place, tenant, arrival, requestTarget(arrival.target, "localhost")!);
}

async function responseTo(exchange: Exchange, answer: Answer | Promise<Answer>): Promise<Response> {
  return replyResponse(await deliver(exchange, await answer), "GET");
}

/** A good answer's body, if it is not larger than any that is asked for this way. */
async function readOf(response: Response): Promise<ReadResult> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_READ_BYTES) return failedRead(`the answer is larger than ${MAX_READ_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (response.status === 200) {
    return { outcome: "read", body: await new Blob(chunks).bytes(), detail: null, retryAfterMs: null };
  }
  return failedRead(`status ${response.status}`, Number(response.headers.get("retry-after") ?? NaN));
}

function failedRead(detail: string, retryAfterSeconds = NaN): ReadResult {
  const retryAfterMs = retryAfterSeconds >= 0 ? Math.min(retryAfterSeconds, MAX_RETRY_SECONDS) * 1000 : null;
  return { outcome: "failed", body: null, detail, retryAfterMs };
}

/** Reads the response to its end: only then it is stored. */
async function resultOf(response: Response, clients: readonly ClientName[]): Promise<PrewarmResult> {
  let bytes = 0;
  const isRead = clients.length > 0 && /^application\/json\b/.test(response.headers.get("content-type") ?? "");
  const kept: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (isRead && bytes <= MAX_DOCUMENT_BYTES) kept.push(chunk);
  }
  const status = response.headers.get("cache-status") ?? "";
  if (response.status >= 400) return { outcome: "failed", detail: `status ${response.status}`, bytes };
  const pictures = bytes > MAX_DOCUMENT_BYTES ? [] : await picturesIn(kept, clients);
  const found = { detail: null, bytes, ...pictures.length === 0 ? {} : { pictures } };
  if (/;\s*hit\b/.test(status)) return { outcome: "fresh", ...found };
  if (/;\s*(?:stored|fwd-status=304)\b/.test(status)) return { outcome: "fetched", ...found };
  return { outcome: "skipped", ...found, detail: "it was not stored" };
}

/** The pictures that clients take from a document; none where it is no JSON. */
async function picturesIn(chunks: Uint8Array<ArrayBuffer>[], clients: readonly ClientName[]): Promise<string[]> {
  if (chunks.length === 0) return [];
  try {
    const document = JSON.parse(await new Blob(chunks).text());
    return [...new Set(clients.flatMap((client) => pictureTargets(document, client)))];
  } catch {
    return [];
  }
}

function skipped(detail: string): PrewarmResult {
  return { outcome: "skipped", detail, bytes: 0 };
}

async function lateness(): Promise<number> {
  const startedMs = performance.now();
  await pause(POLL_MS);
  return performance.now() - startedMs - POLL_MS;
}
