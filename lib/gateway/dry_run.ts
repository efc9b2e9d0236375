import type { StoredResponse } from "../cache/stored_response.ts";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import { Exchange } from "../request/exchange.ts";
import type { Fields } from "../http/fields.ts";
import { handle, route } from "../pipeline/pipeline.ts";
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

/** The client whom a request is tried out for. */
const CLIENT = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 50_000 } } as const;
/** Everything answers at once here: what takes longer hangs. */
const GRACE_MS = 1_000;

/** Tries requests out on the gateway's own code, over upstreams that are made up. */
export class DryRun implements AsyncDisposable {
  readonly #made: MadeUpGateway;

  constructor(config: Config, answer: MadeUpAnswer) {
    this.#made = gatewayOverMadeUpUpstreams(config, answer);
  }

  /** The request as the pipeline sees it once it is routed; the error where it is refused, `null` where no listener takes it. */
  exchange(address: string, asked: AskedRequest): Exchange | GatewayError | null {
    const { services, snapshot } = this.#made.gateway;
    const request = requestOf(asked);
    if (request === null) {
      return new GatewayError("method_not_supported", "Methods CONNECT and TRACE are not served here");
    }
    const routed = route({ services, table: snapshot.tables.get(address) }, request, CLIENT);
    return routed instanceof GatewayError && routed.code === "no_listener" ? null : routed;
  }

  /** Hands the request to the pipeline, as if it had come in at an address, and looks at what became of it. */
  async run(address: string, asked: AskedRequest): Promise<Outcome> {
    const { gateway: { services, snapshot }, sent } = this.#made;
    const exchange = this.exchange(address, asked);
    if (!(exchange instanceof Exchange)) throw new RangeError("Cannot try a request out: no listener takes it");
    const response = await handle({ services, table: snapshot.tables.get(address) }, requestOf(asked)!, CLIENT);
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

/** The request as the server would hand it over, its URL with the raw target; `null` where the method can't be one. */
function requestOf({ method, url, fields }: AskedRequest): Request | null {
  if (/^(?:CONNECT|TRACE|TRACK)$/i.test(method)) return null;
  // A URL of Host and target may be none: the gateway is to say so.
  const request = new Request("http://dry.run/", { method, headers: [...fields] });
  return Object.defineProperty(request, "url", { value: url });
}
