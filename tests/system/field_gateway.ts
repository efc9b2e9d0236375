import { type ScriptedExchange, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, type RawResponse } from "./_raw_client.ts";
import { customPool, testConfig } from "./_test_config.ts";
import { type FieldRow, MAX_BODY_BYTES, type OriginRequest } from "../field/field_row.ts";

/** A gateway process and its origin, in front of which rows are tried. */
export interface FieldGateway extends AsyncDisposable {
  readonly gateway: RunningGateway;
  /** What does not hold of a row; `null` where all does. */
  tryRow(row: FieldRow): Promise<string | null>;
}

/** How long a client may be silent in the middle of its content. */
const BODY_TIMEOUT = "700ms";

/** The listeners, told apart by host. */
function configOf(origin: string, places: GatewayPlaces): string {
  return testConfig(places, {
    server: { workers: 1, limits: { body_timeout: BODY_TIMEOUT } },
    logging: { access: "off" },
    pools: {
      any: customPool([origin]),
      base: customPool([`${origin}/base`]),
      tmdb: { type: "tmdb-api", health: false, upstreams: [origin], key_mode: "pass" },
    },
    listeners: [
      { name: "any", host: ["any.test"], pool: "any", max_request_body: MAX_BODY_BYTES },
      { name: "let", host: ["let.test"], pool: "any", forward_fields: ["X-Forwarded-Scheme", "X-Method-Override"] },
      { name: "pre", host: ["pre.test"], prefix: "/pre", strip_prefix: true, pool: "base" },
      { name: "bare", host: ["bare.test"], prefix: "/pre", strip_prefix: true, pool: "any" },
      { name: "tmdb", host: ["tmdb.test"], prefix: "/3", pool: "tmdb" },
      { name: "nameless", prefix: "/nameless", pool: "any" },
    ],
  });
}

/** Starts both. */
export async function startFieldGateway(): Promise<FieldGateway> {
  const stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startScriptedOrigin(() => {}), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({ config: (places) => configOf(origin.url, places) }),
    (running) => running.close(),
  );
  return {
    gateway,
    async tryRow(row) {
      const asked: OriginRequest[] = [];
      origin.handle(async (exchange) => {
        const body = String.fromCharCode(...await exchange.body());
        asked.push({ ...exchange.head, body });
        await (row.answer?.({ exchange, body }) ?? echo(exchange, body));
      });
      try {
        const port = row.isAdmin ? Number(new URL(gateway.adminUrl).port) : gateway.port;
        const responses: RawResponse[] = [];
        for (const request of row.requests) {
          responses.push(await rawRequest(port, request, { isHead: request.startsWith("HEAD ") }));
        }
        row.holds({ responses, asked });
        return null;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function echo(exchange: ScriptedExchange, body: string): Promise<void> {
  const { method, target } = exchange.head;
  return exchange.reply({
    fields: [["content-type", "application/json"], ["cache-control", "max-age=60"]],
    body: JSON.stringify({ method, target, body }),
  });
}
