/**
 * Load from connections that are kept, each with one request at a time: `_load_process.ts OPTIONS`. It prints a line once all
 * connections are open, and what it measured from then on as a line of JSON; it keeps them until its input ends, so that neither their
 * opening nor their end has to be in what is measured.
 */
import type { LoadOptions, Measured } from "./_load.ts";

const BUFFER_BYTES = 65_536;
/** As many connections are opened at a time: more would wait in the server's queue and be dropped there. */
const OPENING = 64;

const options: LoadOptions = JSON.parse(Deno.args[0]!);
const latenciesMs: number[] = [];
const problems = new Map<string, number>();
let sent = 0;

const connections = await openAll();
await printLine("open");
const startMs = performance.now();
const untilMs = startMs + options.seconds * 1000;
await Promise.all(connections.map(ask));
const seconds = (performance.now() - startMs) / 1000;
latenciesMs.sort((a, b) => a - b);
const measured: Measured = {
  requests: latenciesMs.length,
  requestsPerSecond: latenciesMs.length / seconds,
  p50Ms: percentile(50),
  p95Ms: percentile(95),
  p99Ms: percentile(99),
  problem: [...problems].map(([what, count]) => `${count} x ${what}`).join(", "),
};
await printLine(JSON.stringify(measured));
await Deno.stdin.readable.pipeTo(new WritableStream());
Deno.exit();

async function printLine(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

async function openAll(): Promise<Deno.TcpConn[]> {
  const opened: Deno.TcpConn[] = [];
  while (opened.length < options.connections) {
    const count = Math.min(OPENING, options.connections - opened.length);
    opened.push(...await Promise.all(Array.from({ length: count }, () => Deno.connect({ port: options.port }))));
  }
  for (const connection of opened) connection.setNoDelay(true);
  return opened;
}

/** Sends requests on one connection until the time is over; a server that closes it is a problem. */
async function ask(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  const encoder = new TextEncoder();
  try {
    while (performance.now() < untilMs) {
      const path = options.isDistinct ? `${options.path}${++sent}` : options.path;
      const beganMs = performance.now();
      await connection.write(encoder.encode(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\n\r\n`));
      const status = await takeResponse(connection, buffer);
      if (status !== 200) note(`status ${status}`);
      else latenciesMs.push(performance.now() - beganMs);
    }
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
  }
}

/** Reads one response to its end; its status. Nothing comes behind it: nothing else was asked for. */
async function takeResponse(connection: Deno.TcpConn, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
  let filled = 0;
  let head: string | undefined;
  while (head === undefined) {
    const size = await connection.read(buffer.subarray(filled));
    if (size === null) throw new Error("connection closed");
    const text = new TextDecoder().decode(buffer.subarray(0, filled += size));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) head = text.slice(0, end + 4);
    else if (filled === buffer.length) throw new Error("head too large");
  }
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error("response without a length");
  for (let missing = head.length + Number(length) - filled; missing > 0;) missing -= await more(connection, buffer);
  return Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length));
}

async function more(connection: Deno.TcpConn, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
  const size = await connection.read(buffer);
  if (size === null) throw new Error("connection closed in a body");
  return size;
}

function note(what: string): void {
  problems.set(what, (problems.get(what) ?? 0) + 1);
}

function percentile(of: number): number {
  return latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * of / 100))] ?? NaN;
}
