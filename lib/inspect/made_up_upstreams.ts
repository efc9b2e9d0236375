import { newLeaseMemory } from "../cache/flights/lease_table.ts";
import { createMemoryTier } from "../cache/memory/memory_tier.ts";
import { createTieredStore } from "../cache/tiered_store.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { Fields } from "../http/fields.ts";
import { createLogger } from "../logging/logger.ts";
import type { Transport, UpstreamBody, UpstreamRequest } from "../upstream_client/transport.ts";
import { bytesBody } from "../wire/body_source.ts";
import { Gateway } from "../gateway/gateway.ts";

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
  const gateway = new Gateway({
    store: createTieredStore({ memory: createMemoryTier({ limitBytes: MEMORY_BYTES }), disk: null, clock }),
    leaseMemory: newLeaseMemory(),
    worker: 0,
    instanceId: crypto.randomUUID(),
    clock,
    logger: createLogger({ level: "error", format: "text", sink: () => {}, now: () => clock.now() }),
    config,
    transportTo: () => transportOf(answer, clock, sent),
  }, 1);
  return { gateway, sent };
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
