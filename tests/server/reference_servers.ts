import http from "node:http";
import type { AddressInfo } from "node:net";
import type { TakenRequest } from "../wire/framing_cases.ts";
import { PING, type RecordingServer } from "./framing_outcome.ts";
import { textOf } from "./raw_client.ts";

/** The runtime's own server. Its `Request` has no content for GET and a target that was made canonical. */
export function denoServer(): RecordingServer & AsyncDisposable {
  const taken: TakenRequest[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null, { status: 500 }) },
    async (request) => {
      const body = textOf(await request.bytes());
      if (!request.url.endsWith(PING)) taken.push({ method: request.method, target: "", body });
      return new Response("taken");
    },
  );
  return {
    address: `127.0.0.1:${server.addr.port}`,
    taken,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Node's server, as this runtime has it. */
export async function nodeServer(): Promise<RecordingServer & AsyncDisposable> {
  const taken: TakenRequest[] = [];
  const server = http.createServer((request, response) => {
    const { method = "", url: target = "" } = request;
    let body = "";
    request.setEncoding("latin1");
    request.on("data", (text) => body += text);
    request.on("error", () => {});
    request.on("end", () => {
      if (target !== PING) taken.push({ method, target, body });
      response.end("taken");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
