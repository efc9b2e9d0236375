import type { DiskTier } from "../cache/disk/disk_tier.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import { Exchange } from "../request/exchange.ts";
import type { Fields } from "../http/fields.ts";
import { route, ruled } from "../pipeline/arrive.ts";
import { handle } from "../pipeline/pipeline.ts";
import { ownArrival } from "../request/own_arrival.ts";
import type { Arrival } from "../server/arrival.ts";
import { replyResponse } from "../server/fetch_adapter.ts";
import type { Transport, UpstreamBody, UpstreamRequest } from "../upstream_client/transport.ts";
import { newLeaseMemory } from "../cache/flights/lease_table.ts";
import { createMemoryTier } from "../cache/memory/memory_tier.ts";
import { createTieredStore } from "../cache/tiered_store.ts";
import { type Clock, systemClock } from "../clock.ts";
import { createLogger } from "../logging/logger.ts";
import { bytesBody } from "../wire/body_source.ts";
import { Gateway } from "../gateway/gateway.ts";

/** A request as a client would send it. */
export interface AskedRequest {
  readonly method: string;
  /** Scheme, authority and raw target, as the server shows it. */
  readonly url: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
}

/** The outcome of a request that was tried out. */
export interface Outcome {
  /** As upstreams would have got it; empty where none would have been asked. */
  readonly sent: readonly UpstreamRequest[];
  /** Of the response to the client. */
  readonly status: number;
  readonly fields: Readonly<Fields>;
  readonly text: string;
  /** What the cache holds for the request now; `null` for nothing. */
  readonly stored: StoredResponse | null;
}

/** Everything answers at once here: what takes longer hangs. */
const GRACE_MS = 1_000;

/** Tries requests out on the gateway's own code, over upstreams that are made up. */
export class DryRun implements AsyncDisposable {
  readonly #made: MadeUpGateway;

  constructor(config: Config, answer: MadeUpAnswer) {
    this.#made = gatewayOverMadeUpUpstreams(config, answer);
  }

  /** The request as the pipeline sees it once it is routed and rules have changed it; the error where it is refused, `null` where no listener takes it. */
  exchange(address: string, asked: AskedRequest): Exchange | GatewayError | null {
    const { services, snapshot } = this.#made.gateway;
    const routed = route({ services, table: snapshot.tables.get(address) }, arrivalOf(asked));
    if (routed instanceof GatewayError) return routed.code === "no_listener" ? null : routed;
    try {
      return ruled(routed);
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  }

  /** Hands the request to the pipeline, as if it had come in at an address, and returns the outcome. */
  async run(address: string, asked: AskedRequest): Promise<Outcome> {
    const { gateway: { services, snapshot }, sent } = this.#made;
    const exchange = this.exchange(address, asked);
    if (!(exchange instanceof Exchange)) throw new RangeError("Cannot try a request out: no listener takes it");
    const reply = await handle({ services, table: snapshot.tables.get(address) }, arrivalOf(asked));
    const response = replyResponse(reply, asked.method);
    const text = await response.text();
    await services.background.drain(GRACE_MS);
    const found = await services.store.get(exchange.key);
    return { sent, status: response.status, fields: [...response.headers], text, stored: found?.response ?? null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made.gateway.close(GRACE_MS);
  }
}

/** A request at a listen address of a configuration. */
export interface Trial {
  readonly config: Config;
  /** Key of the address. */
  readonly address: string;
  readonly asked: AskedRequest;
}

/** What becomes of a request where every upstream gives the same answer. */
export async function tryOut({ config, address, asked }: Trial, answer: MadeUpAnswer): Promise<Outcome> {
  await using dry = new DryRun(config, answer);
  return await dry.run(address, asked);
}

/** The request as the server would hand it over. */
function arrivalOf({ method, url, fields }: AskedRequest): Arrival {
  return ownArrival({ method, target: url, fields });
}

/** What a made-up upstream answers. */
export interface MadeUpAnswer {
  readonly status: number;
  /** Without `content-length`. */
  readonly fields: Readonly<Fields>;
  readonly body: string;
}

/** A gateway over made-up upstreams, and what these have been sent. */
export interface MadeUpGateway {
  readonly gateway: Gateway;
  readonly sent: readonly UpstreamRequest[];
}

const MEMORY_BYTES = 8 * 1024 * 1024;

/**
 * The gateway itself, with all that it does to a request, over upstreams that are made up and all answer alike: no socket is
 * opened, no file is read, nothing is logged.
 */
export function gatewayOverMadeUpUpstreams(config: Config, answer: MadeUpAnswer): MadeUpGateway {
  const nowMs = systemClock.now();
  // Time stands still, so that what is fresh for an hour does not show as a second less.
  const clock: Clock = { now: () => nowMs };
  const sent: UpstreamRequest[] = [];
  const disk = config.cache.diskBytes > 0 ? madeUpDisk() : null;
  const gateway = new Gateway({
    store: createTieredStore({ memory: createMemoryTier({ limitBytes: MEMORY_BYTES }), disk, clock }),
    leaseMemory: newLeaseMemory(),
    worker: 0,
    instanceId: crypto.randomUUID(),
    clock,
    logger: createLogger({ level: "error", format: "text", sink: () => {}, now: () => clock.now() }),
    // What is explained is no request.
    config: { ...config, tracing: null },
    transportTo: () => transportOf(answer, clock, sent),
  }, 1);
  return { gateway, sent };
}

/** A disk tier that is none: what rules keep on disk alone would have nowhere to go. */
function madeUpDisk(): DiskTier {
  const held = new Map<string, StoredResponse>();
  return {
    get: (key) => held.get(key),
    put: (response) => void held.set(response.key, response),
    delete: (key) => void held.delete(key),
    isOnItsWay: () => false,
    touch: () => {},
    touchEveryMs: Infinity,
    stats: () => ({
      ...{ entries: held.size, bytes: 0, limitBytes: 0, evictions: 0, queuedWrites: 0, droppedWrites: 0 },
      ...{ corrupt: 0, sparedReads: 0, emptyReads: 0 },
    }),
    close: () => Promise.resolve(),
  };
}

function transportOf({ status, fields, body }: MadeUpAnswer, clock: Clock, sent: UpstreamRequest[]): Transport {
  const bytes = new TextEncoder().encode(body);
  return {
    send(request) {
      sent.push(request);
      const content = request.method === "HEAD" ? new Uint8Array() : bytes;
      return Promise.resolve({
        status,
        fields: [...fields, ["content-length", String(bytes.byteLength)]],
        body: bodyOf(content),
        receivedAtMs: clock.now(),
      });
    },
    stats: () => ({ open: 0, idle: 0 }),
    retire: () => {},
    close: () => {},
  };
}

function bodyOf(bytes: Uint8Array<ArrayBuffer>): UpstreamBody {
  return { ...bytesBody(bytes), readAll: () => Promise.resolve(bytes) };
}
