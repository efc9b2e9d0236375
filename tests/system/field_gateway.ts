import { type ScriptedExchange, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, type RawResponse } from "./_raw_client.ts";
import { testConfig } from "./test_config.ts";
import type { FieldRow, FieldSheet, OriginRequest } from "../field/field_row.ts";

/** A gateway process and its origins, in front of which the rows of a sheet are tried. */
export interface FieldGateway extends AsyncDisposable {
  readonly gateway: RunningGateway;
  /** What does not hold of a row; `null` where all does. */
  tryRow(row: FieldRow): Promise<string | null>;
}

/** Starts them. */
export async function startFieldGateway(sheet: FieldSheet): Promise<FieldGateway> {
  const stack = new AsyncDisposableStack();
  const origins: ScriptedOrigin[] = [];
  for (let number = 0; number < sheet.origins; number++) {
    origins.push(stack.adopt(await startScriptedOrigin(() => {}), (running) => running.close()));
  }
  const gateway = stack.adopt(
    await startGateway({ config: (places) => testConfig(places, sheet.config(origins.map(({ url }) => url))) }),
    (running) => running.close(),
  );
  const earlier = new Set<string>();
  return {
    gateway,
    async tryRow(row) {
      const asked: OriginRequest[] = [];
      // What an earlier row has left to be validated in the background may come as late as now.
      const isLate = (target: string) => earlier.has(target) && !row.requests.some((one) => one.includes(target));
      for (const [number, origin] of origins.entries()) {
        origin.handle(async (exchange) => {
          const body = String.fromCharCode(...await exchange.body());
          if (!isLate(exchange.head.target)) asked.push({ ...exchange.head, body, origin: number });
          await (row.answer?.({ exchange, body, origin: number }) ?? echo(exchange, body));
        });
      }
      try {
        await row.holds({ responses: await responsesOf(row, gateway), asked });
        return null;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      } finally {
        for (const { target } of asked) earlier.add(target);
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function responsesOf(row: FieldRow, gateway: RunningGateway): Promise<RawResponse[]> {
  const adminPort = Number(new URL(gateway.adminUrl).port);
  const { leavesAfterBytes } = row;
  const portOf = (request: string) => row.isAdmin || isForAdmin(request) ? adminPort : gateway.port;
  const ask = (request: string) =>
    rawRequest(portOf(request), request, { isHead: request.startsWith("HEAD "), leavesAfterBytes });
  if (row.isAtOnce) return await Promise.all(row.requests.map(ask));
  const responses: RawResponse[] = [];
  for (const request of row.requests) responses.push(await ask(request));
  return responses;
}

/** What goes to the address itself is an operator's; listeners are told apart by names. */
function isForAdmin(request: string): boolean {
  return request.includes("\r\nHost: 127.0.0.1\r\n");
}

function echo(exchange: ScriptedExchange, body: string): Promise<void> {
  const { method, target } = exchange.head;
  return exchange.reply({
    fields: [["content-type", "application/json"], ["cache-control", "max-age=60"]],
    body: JSON.stringify({ method, target, body }),
  });
}
