/** An upstream that speaks WebSocket and sends back what it gets. */
export interface WebSocketOrigin {
  readonly url: string;
  /** Handshakes as they came, in order. */
  readonly requests: readonly Request[];
  /** How its connections ended, in order. */
  readonly closes: readonly { readonly code: number; readonly reason: string }[];
  close(): Promise<void>;
}

/** Starts one. It takes the first subprotocol that is offered; the message `end` makes it close with code 4001. */
export async function startWebSocketOrigin(): Promise<WebSocketOrigin> {
  const requests: Request[] = [];
  const closes: { code: number; reason: string }[] = [];
  const { promise: listening, resolve } = Promise.withResolvers<number>();
  const onListen = ({ port }: { port: number }) => resolve(port);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => {
    requests.push(request);
    if (request.headers.get("upgrade") !== "websocket") return new Response("plain");
    const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0]?.trim() ?? "";
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol });
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => data === "end" ? socket.close(4001, "as was asked") : socket.send(data);
    socket.onclose = ({ code, reason }) => closes.push({ code, reason });
    return response;
  });
  return { url: `http://127.0.0.1:${await listening}`, requests, closes, close: () => server.shutdown() };
}
