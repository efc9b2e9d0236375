import type { FetchTransportOptions } from "../../lib/upstream_client/fetch_transport.ts";
import { createFetchTransport } from "../../lib/upstream_client/fetch_transport.ts";
import { systemClock } from "../../lib/clock.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";
import type { Transport, UpstreamRequest } from "../../lib/upstream_client/transport.ts";
import { caCert, serverTls } from "./egress_servers.ts";

/** An HTTPS server that speaks HTTP/2 and HTTP/1.1, and a transport to it. */
export interface FetchServer extends AsyncDisposable {
  readonly port: number;
  readonly transport: Transport;
  request(method: string, target: string, more?: { fields?: [string, string][]; body?: BodySource }): UpstreamRequest;
}

/** Starts one on loopback. */
export function fetchServer(
  handler: (request: Request) => Response | Promise<Response>,
  options: Partial<FetchTransportOptions> = {},
): FetchServer {
  const ending = new AbortController();
  const server = Deno.serve(
    { signal: ending.signal, hostname: "127.0.0.1", port: 0, ...serverTls, onListen() {} },
    handler,
  );
  const { port } = server.addr;
  const transport = createFetchTransport({
    url: new URL(`https://localhost:${port}`),
    caCerts: [caCert],
    allowPrivate: false,
    maxRequests: 4,
    clock: systemClock,
    ...options,
  });
  return {
    port,
    transport,
    request: (method, target, { fields = [], body } = {}) => ({
      method,
      target,
      fields: [["host", `localhost:${port}`], ...fields],
      body: body ?? null,
    }),
    async [Symbol.asyncDispose]() {
      transport.close();
      ending.abort();
      await server.finished;
    },
  };
}
