import type { Gateway } from "../../gateway/gateway.ts";
import type { RouteTable } from "../../listener/route_table.ts";
import { refuse } from "../../pipeline/pipeline.ts";
import { refusedMessage } from "../../request/client_error.ts";
import type { Services } from "../../request/services.ts";
import type { ProxySurroundings, Tenant } from "../../request/snapshot.ts";
import { challengeReply, type Challenges } from "../../server/acme_challenge.ts";
import type { Arrival } from "../../server/arrival.ts";
import { cameByHttps, httpsRedirect } from "../../server/https_redirect.ts";
import type { Handler, Reply } from "../../server/reply.ts";
import { WireError } from "../../wire/wire_error.ts";

/** Serves one request; `table` is that of the address it came to. */
export type RequestHandler = (
  entrance: { readonly services: Services; readonly table: RouteTable<Tenant> | undefined },
  arrival: Arrival,
) => Reply | Promise<Reply>;

/** What the requests of an address are served with. */
export interface AddressServing {
  readonly gateway: Gateway;
  readonly handler: RequestHandler;
  readonly challenges: () => Challenges;
  readonly boundAs: ProxySurroundings["boundAs"];
}

const NOWHERE_TO_SEND = new WireError(
  400,
  "This address sends to https, and the request names no host and path to send to",
);

/**
 * Serves the requests of an address: an authority's before all others, then those to a forward proxy, and those that are sent to the
 * address that speaks TLS.
 */
export function handlerAt(address: string, { gateway, handler, challenges, boundAs }: AddressServing): Handler {
  const serveAt = (other: string, arrival: Arrival) =>
    handler({ services: gateway.services, table: gateway.snapshot.tables.get(other) }, arrival);
  return (arrival) => {
    const { services, snapshot } = gateway;
    const challenge = challengeReply(arrival, challenges());
    if (challenge !== null) return challenge;
    const facts = snapshot.listens.get(address);
    if (facts?.proxy != null) return facts.proxy.handle(arrival, { services, serveAt, boundAs });
    const httpsPort = facts?.httpsPort ?? null;
    if (httpsPort !== null && !isHttps(arrival, gateway)) {
      return httpsRedirect(arrival, httpsPort) ?? refuse(services, refusedMessage(NOWHERE_TO_SEND));
    }
    return handler({ services, table: snapshot.tables.get(address) }, arrival);
  };
}

function isHttps(arrival: Arrival, { services }: Gateway): boolean {
  return services.settings.isTrusted(arrival.connection.peer) && cameByHttps(arrival);
}
