import type { BodySource } from "../../lib/wire/body_source.ts";
import type { FramingCase, TakenRequest } from "../wire/framing_cases.ts";
import { RawClient } from "./raw_client.ts";

/** Target of the requests that only pass the time. */
export const PING = "/ping";

/** What a server made of the bytes of one connection. */
export interface ServerOutcome {
  /** Requests that its handler has read to the end. */
  readonly taken: readonly TakenRequest[];
  /** Statuses of all responses, in order. */
  readonly statuses: readonly number[];
  /** It ended the connection by itself. */
  readonly isEnded: boolean;
}

/** A server that writes down the requests that it takes. */
export interface RecordingServer {
  readonly address: string;
  /** What was taken since it was emptied. */
  readonly taken: TakenRequest[];
}

/** Sends the pieces, and waits until the server has done with them what it can. */
export async function outcomeAt(server: RecordingServer, pieces: readonly string[]): Promise<ServerOutcome> {
  server.taken.length = 0;
  using client = await RawClient.to(server.address);
  let isEnded = false;
  const received = (async () => {
    while (await client.receive());
  })().catch(() => {}).finally(() => isEnded = true);
  // A server that refuses the first piece may not take the second.
  for (const piece of pieces) {
    await client.send(piece).catch(() => {});
    if (pieces.length > 1) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  // The servers run here: one that answers others that came later has seen what came before.
  for (let count = 0; count < 2; count++) await ping(server.address);
  const outcome = {
    taken: [...server.taken],
    statuses: statusesOf(client.buffered),
    isEnded,
  };
  client[Symbol.dispose]();
  await received;
  return outcome;
}

async function ping(address: string): Promise<void> {
  using client = await RawClient.to(address);
  await client.send(`GET ${PING} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await client.rest();
}

function statusesOf(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)).filter((status) =>
    status >= 200
  );
}

/** What the table of cases says of a server that answers what it takes with 200. */
export function expectedOutcome({ taken, refusal }: FramingCase): Omit<ServerOutcome, "isEnded"> {
  return { taken, statuses: [...taken.map(() => 200), ...(refusal === null ? [] : [refusal])] };
}

/** A taken request, with the content and trailers of its source. */
export async function takenRequest(
  { method, target, body }: { method: string; target: string; body: BodySource | null },
  text: (body: BodySource | null) => Promise<string>,
): Promise<TakenRequest> {
  const content = await text(body);
  const trailers = body?.trailers ?? null;
  return { method, target, body: content, ...(trailers === null ? {} : { trailers: [...trailers] }) };
}
