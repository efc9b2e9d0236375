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
import type { UpstreamRequest } from "../upstream_client/transport.ts";
import { gatewayOverMadeUpUpstreams, type MadeUpAnswer, type MadeUpGateway } from "./made_up_upstreams.ts";

/** A request as a client would send it. */
export interface AskedRequest {
  readonly method: string;
  /** Scheme, authority and raw target, as the server shows it. */
  readonly url: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
}

/** What became of a request that was tried out. */
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

  /** Hands the request to the pipeline, as if it had come in at an address, and looks at what became of it. */
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
