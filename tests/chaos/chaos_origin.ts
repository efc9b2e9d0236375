/**
 * An origin of a chaos run, as a process of its own. It prints a line of JSON, its addresses and the authority of its certificate. On
 * its standard input it takes lines, the name of the fault that it has from then on. `GET /_report` tells what it has seen.
 */
import net from "node:net";
import tls from "node:tls";
import { madeAuthority } from "../certificates/made.ts";
import { type ScriptedExchange, type ScriptedHead, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { answerTo, askedBy, type OriginAnswer, sendAnswer } from "./origin_answers.ts";
import { isOriginFault, type OriginFault } from "./origin_faults.ts";

let fault: OriginFault = "none";
let requests = 0;
/** Unsafe requests by the id in their content: how often each came. */
const unsafe = new Map<string, number>();

const origin = await startScriptedOrigin(async (exchange) => {
  // Every head that ever came would fill the memory of a long run.
  (origin.heads as ScriptedHead[]).length = 0;
  (origin.failures as unknown[]).length = 0;
  const { target, method } = exchange.head;
  if (target === "/_report") {
    const repeated = [...unsafe].filter(([, count]) => count > 1).map(([id]) => id);
    return await exchange.reply({ body: JSON.stringify({ requests, unsafe: unsafe.size, repeated }) });
  }
  requests++;
  if (method === "POST") {
    const id = new TextDecoder().decode(await exchange.body());
    unsafe.set(id, (unsafe.get(id) ?? 0) + 1);
  }
  const isCheck = target.startsWith("/_health");
  const asked = isCheck ? null : askedBy(exchange.head);
  const made = asked === null || method === "POST"
    ? plainAnswer(isCheck || method === "POST" ? 200 : 404, target.endsWith(".jpg"))
    : answerTo(asked, exchange.head, Date.now());
  await respond(
    exchange,
    made,
    () => asked === null || method === "POST" ? made : answerTo(asked, exchange.head, Date.now()),
  );
});

/** Of a health check, of a request that is not for a resource; a picture where that is due. */
function plainAnswer(status: number, isPicture: boolean): OriginAnswer {
  const body = isPicture ? Uint8Array.of(0xff, 0xd8, 0xff, 0xd9) : new TextEncoder().encode("{}");
  const type = isPicture ? "image/jpeg" : "application/json";
  const lines = [`content-type: ${type}`, "cache-control: no-store", `content-length: ${body.length}`];
  return { head: `HTTP/1.1 ${status} Made\r\n${lines.join("\r\n")}\r\n\r\n`, body, framing: "length" };
}

async function respond(exchange: ScriptedExchange, answer: OriginAnswer, late: () => OriginAnswer): Promise<void> {
  // Without content nothing is wrong with these: nobody could tell.
  if (exchange.head.method === "HEAD" && (fault === "bad-chunks" || fault === "block-page")) return exchange.reset();
  switch (fault) {
    case "reset":
      return exchange.reset();
    case "hang":
      return await exchange.hang();
    case "slow-head":
      await exchange.wait(1_500);
      return await sendAnswer(exchange, late());
    case "slow-body":
      return await sendAnswer(exchange, answer, { pauseMs: 250 });
    case "stall-in-body":
      await sendAnswer(exchange, answer, { share: 0.5 });
      return await exchange.hang();
    case "reset-in-body":
      await sendAnswer(exchange, answer, { share: 0.5 });
      await exchange.wait(5);
      return exchange.reset();
    case "truncated":
      await sendAnswer(exchange, answer, { share: 0.7 });
      // Without a length nobody could tell.
      return answer.framing === "close" ? exchange.reset() : exchange.end();
    case "garbage":
      await exchange.write("\x00\xff\x13 this is not HTTP\r\n\r\n\r\n");
      return exchange.end();
    case "half-a-head":
      await exchange.write(answer.head.slice(0, 30));
      return exchange.end();
    case "endless-head":
      return await endlessHead(exchange);
    case "bad-chunks":
      await exchange.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\nzz\r\n`,
      );
      return exchange.end();
    case "two-lengths":
      await exchange.write(answer.head.replace("\r\n", "\r\ncontent-length: 7\r\ncontent-length: 900\r\n"));
      return exchange.end();
    case "block-page":
      return await exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>This site is blocked</h1>" });
    case "500":
    case "502":
    case "503":
    case "504":
      return await exchange.reply({
        status: Number(fault),
        fields: [["content-type", "application/json"]],
        body: "{}",
      });
    case "interim":
      for (let turn = 0; turn < 5; turn++) await exchange.write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
  }
  await sendAnswer(exchange, answer);
}

async function endlessHead(exchange: ScriptedExchange): Promise<void> {
  await exchange.write("HTTP/1.1 200 OK\r\n");
  for (let turn = 0; turn < 2_000 && exchange.isOpen; turn++) {
    await exchange.write(`x-${turn}: ${"y".repeat(1_000)}\r\n`);
  }
  exchange.end();
}

/** A front on its own port: it accepts and says nothing while the fault is a hanging handshake, it refuses, or it passes bytes on. */
function startFront(target: () => number): Promise<number> {
  const held = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    if (fault === "refused") return void socket.resetAndDestroy();
    if (fault === "no-handshake") {
      held.add(socket);
      socket.on("data", () => {});
      return void socket.once("close", () => held.delete(socket));
    }
    bind(socket, net.connect({ host: "127.0.0.1", port: target(), noDelay: true, allowHalfOpen: true }));
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port))
  );
}

/** Time in which the rest of what was written leaves. */
const FLUSH_MS = 2_000;

/** Passes bytes, ends and resets on. A reset stays one, else it would end content that goes on until the end of its connection. */
function bind(one: net.Socket, other: net.Socket): void {
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.on("data", (chunk) => {
      if (to.writable && !to.write(chunk)) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => to.end());
    from.on("error", () => to instanceof tls.TLSSocket ? to.destroy() : to.resetAndDestroy());
    from.on("close", () => setTimeout(() => to.destroy(), FLUSH_MS));
  }
}

const authority = await madeAuthority();
const { cert, key } = await authority.leaf(["127.0.0.1", "localhost"]);
const secure = tls.createServer({ cert, key, allowHalfOpen: true }, (socket) => {
  bind(socket, net.connect({ host: "127.0.0.1", port: origin.port, noDelay: true, allowHalfOpen: true }));
});
secure.on("tlsClientError", () => {});
await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
const securePort = (secure.address() as net.AddressInfo).port;

const addresses = {
  url: `http://127.0.0.1:${await startFront(() => origin.port)}`,
  secureUrl: `https://localhost:${await startFront(() => securePort)}`,
  reportUrl: `${origin.url}/_report`,
  ca: authority.ca,
};
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(addresses) + "\n"));

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let text = "";
for await (const chunk of lines) {
  text += chunk;
  const names = text.split("\n");
  text = names.pop() ?? "";
  for (const name of names) if (isOriginFault(name)) fault = name;
}
Deno.exit(0);
